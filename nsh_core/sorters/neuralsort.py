"""NeuralSort (Grover, Wang, Zweig & Ermon, ICLR 2019, eq. 5)."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor
from typing_extensions import override

from nsh_core.sorters.base import Sorter, check_rows
from nsh_core.sorters.kernel import Kernel
from nsh_core.sorters.levels import ByChunks, Ranked, count, exponentials_fit, over_levels, over_ranks, tally, to_levels


class NeuralSort(Sorter):
    """Row j is a softmax over items i of ((n + 1 - 2j) s_i - sum_k |s_i - s_k|) / (n temperature).

    The paper's temperature is n times this one: dividing by n makes the sum over the batch a mean, so that the
    setting, in bits, does not depend on the batch size.
    """

    paper = "Grover et al., Stochastic Optimization of Sorting Networks via Continuous Relaxations, ICLR 2019"
    default_temperature = 0.25
    search_range = (0.02, 5.0)
    level_form = "levels"

    @override
    def permutation(self, keys: Tensor) -> Tensor:
        check_rows(keys)
        spread = (keys[:, :, None] - keys[:, None, :]).abs().mean(dim=2)
        logits = _slopes(keys)[None, :, None] * keys[:, None, :] - spread[:, None, :]
        return (logits / self.temperature).softmax(dim=2)

    @override
    def sort_levels(self, keys: Tensor, payload: Tensor, levels: int) -> Ranked:
        check_rows(keys, payload)
        size = keys.shape[1] * (1 if exponentials_fit(self.temperature, levels) else levels)
        make = partial(_Chunk, temperature=self.temperature, levels=levels)
        return Ranked(ByChunks.apply(make, size, keys, payload))

    @override
    def kernel(self, codes: Tensor) -> Kernel | None:
        if not exponentials_fit(self.temperature, codes.shape[-1] + 1):
            return None
        from nsh_core.fused.neuralsort import neuralsort  # numba's import takes as long as torch's

        return Kernel(neuralsort, (self.temperature,))


def _slopes(keys: Tensor) -> Tensor:
    """(n + 1 - 2j) / n of the ranks j = 1..n."""
    n = keys.shape[1]
    return (n + 1 - 2 * torch.arange(1, n + 1, device=keys.device, dtype=keys.dtype)) / n


class _Chunk:
    """The weight of an item of level u at rank j is W_ju = exp(slope_j s_u / T) exp(-spread_u / T).

    The first factor E_ju is one matrix for all anchors, the second a number x_u for each anchor and level, so that sums
    over levels and over ranks are matrix products with E, in double precision. Where E would overflow, at temperatures
    below about K / 400 bits, W is formed for each anchor from logits that have had their maximum taken away.
    """

    def __init__(self, keys: Tensor, payload: Tensor, temperature: float, levels: int) -> None:
        self.payload, self.temperature, self.slopes = payload, temperature, _slopes(keys).double()
        self.index = to_levels(keys, levels)
        self.counts = count(self.index, levels, torch.double)
        self.sums = tally(self.index, payload.double(), levels)
        place = torch.arange(levels, device=keys.device, dtype=torch.double)
        step = place[None, :] - place[:, None]
        self.sign = step.sign()
        spread = self.counts @ step.abs() / keys.shape[1]
        centred = (levels - 1) / 2 - place
        if exponentials_fit(temperature, levels):
            self.own = (-(spread - spread.amin(dim=1, keepdim=True)) / temperature).exp()
            self.weights = (self.slopes[:, None] * centred / temperature).exp()
        else:
            logits = self.slopes[None, :, None] * centred - spread[:, None, :]
            logits = logits.masked_fill(self.counts[:, None, :] == 0, -torch.inf) / temperature
            self.own = torch.ones_like(spread)
            self.weights = (logits - logits.amax(dim=2, keepdim=True)).exp()
        self.share = 1 / over_levels(self.own * self.counts, self.weights)
        self.result = over_levels(self.own * self.sums, self.weights) * self.share

    @property
    def out(self) -> Tensor:
        """Sorted payload [b, n]."""
        return self.result.to(self.payload.dtype)

    def gradients(self, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """Of keys and payload, both [b, n]."""
        a = gradient * self.share
        b = a * self.result
        a_sum, b_sum, a_slope, b_slope = (
            self.own * over_ranks(values, self.weights) for values in (a, b, a * self.slopes, b * self.slopes)
        )
        # spread_i = mean_k |s_i - s_k| moves with the item's own key and, the other way, with those of all others.
        n = gradient.shape[1]
        by_own = self.counts @ self.sign.T / n
        by_others = (self.counts * b_sum - self.sums * a_sum) @ self.sign.T / n
        payload_gradient = a_sum.gather(1, self.index)
        factor = (a_slope - by_own * a_sum) / self.temperature
        rest = (by_others - b_slope + by_own * b_sum) / self.temperature
        key_gradient = self.payload * factor.gather(1, self.index) + rest.gather(1, self.index)
        return key_gradient.to(self.payload.dtype), payload_gradient.to(self.payload.dtype)
