"""Sorting as entropic optimal transport to the ranks (Cuturi, Teboul & Vert, NeurIPS 2019)."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from nsh_core.errors import UserError
from nsh_core.sorters.base import Sorter, check_rows
from nsh_core.sorters.kernel import Kernel
from nsh_core.sorters.levels import (
    ByChunks,
    Ranked,
    count,
    exponentials_fit,
    over_levels,
    over_ranks,
    tally,
    to_levels,
)


class Sinkhorn(Sorter):
    """Entropic transport of n keys onto n evenly spaced rank positions, by Sinkhorn iterations.

    Cost -key * position, positions falling from 1/2 to -1/2; the plan times n, its rows normalised last, is the
    permutation. The dual potentials of the exact (hard) transport, known by sorting, are taken out of the kernel
    first: its entries are at most 1, with a 1 for every item, so that scaling it neither overflows nor needs
    logarithms at any temperature, and few iterations do.

    Args:
        temperature: Entropic regularisation, in bits: two items that far apart differ by a factor e between first
            and last rank.
        iterations: Sinkhorn iterations, at least 1.

    Raises:
        UserError: An option that is not allowed.
    """

    paper = "Cuturi et al., Differentiable Ranking and Sorting using Optimal Transport, NeurIPS 2019"
    default_temperature = 0.3
    search_range = (0.01, 2.0)
    level_form = "levels"

    def __init__(self, temperature: float | None = None, iterations: int = 10) -> None:
        super().__init__(temperature)
        if isinstance(iterations, bool) or not isinstance(iterations, int) or iterations < 1:
            raise UserError(f"sorter iterations must be a whole number of at least 1, got {iterations!r}")
        self.iterations = iterations

    @override
    def permutation(self, keys: Tensor) -> Tensor:
        check_rows(keys)
        if keys.shape[1] == 1:
            return torch.ones_like(keys)[:, :, None]
        ranked = keys.sort(dim=1, descending=True, stable=True).values
        potential = _rank_potential(ranked, self.temperature)
        logits = _positions(keys)[:, None] * (keys / self.temperature)[:, None, :] - potential[:, :, None]
        kernel = (logits - logits.detach().amax(dim=1, keepdim=True)).exp()
        by_item, by_rank = _Scalings.apply(kernel, self.iterations)
        return kernel * by_item * by_rank.transpose(1, 2)

    @override
    def sort_levels(self, keys: Tensor, payload: Tensor, levels: int) -> Ranked:
        check_rows(keys, payload)
        if keys.shape[1] == 1:
            return Ranked(payload)
        size = keys.shape[1] * (self.iterations if exponentials_fit(self.temperature, levels) else levels)
        make = partial(_Chunk, temperature=self.temperature, iterations=self.iterations, levels=levels)
        return Ranked(ByChunks.apply(make, size, keys, payload))

    @override
    def kernel(self, codes: Tensor) -> Kernel | None:
        n, bits = codes.shape[-2:]
        # Twice the exponent of a scaling, of which a sum must be a number of double precision whatever the codes.
        if n == 1 or bits / (2 * self.temperature) + math.log(n) > 0.9 * math.log(torch.finfo(torch.float64).max):
            return None
        from nsh_core.fused.sinkhorn import sinkhorn  # numba's import takes as long as torch's

        return Kernel(sinkhorn, (self.temperature, self.iterations))


def _positions(keys: Tensor) -> Tensor:
    """Where the n ranks stand: from 1/2 down to -1/2."""
    return torch.linspace(0.5, -0.5, keys.shape[1], device=keys.device, dtype=keys.dtype)


def _rank_potential(ranked: Tensor, temperature: float) -> Tensor:
    """Dual potential of the ranks [b, n] of the hard transport of descending keys, over the temperature."""
    steps = (ranked[:, 1:] + ranked[:, :-1]) / (2 * (ranked.shape[1] - 1))
    return torch.nn.functional.pad(-steps.cumsum(dim=1), (1, 0)) / temperature


class _Scalings(torch.autograd.Function):
    """Sinkhorn scalings of items and ranks, both [B, 1, n], of a kernel [B, ranks, items].

    The gradient is that of the unrolled iterations; the kernel's is a sum of outer products over all of them, taken
    in one matrix product instead of two n x n additions an iteration.
    """

    @staticmethod
    def forward(ctx: Any, kernel: Tensor, iterations: int) -> tuple[Tensor, Tensor]:
        # A row vector times a contiguous batch of matrices is several times faster than the other products.
        turned = kernel.transpose(1, 2).contiguous()
        by_ranks = [torch.ones_like(kernel[:, :1])]
        by_items = []
        for _ in range(iterations):
            by_items.append(1 / (by_ranks[-1] @ kernel))
            by_ranks.append(1 / (by_items[-1] @ turned))
        ctx.save_for_backward(kernel, turned, torch.cat(by_items, dim=1), torch.cat(by_ranks, dim=1))
        return by_items[-1], by_ranks[-1]

    @staticmethod
    def backward(ctx: Any, by_item: Tensor, by_rank: Tensor) -> tuple[Tensor, None]:
        kernel, turned, by_items, by_ranks = ctx.saved_tensors
        iterations = by_items.shape[1]
        to_ranks, to_items = [], []
        for step in range(iterations - 1, -1, -1):
            to_ranks.append(-by_rank * by_ranks[:, None, step + 1].square())
            by_item = by_item + to_ranks[-1] @ kernel
            to_items.append(-by_item * by_items[:, None, step].square())
            by_rank = to_items[-1] @ turned
            by_item = torch.zeros_like(by_item)
        ranks = torch.cat([*to_ranks[::-1], by_ranks[:, :iterations]], dim=1)
        items = torch.cat([by_items, *to_items[::-1]], dim=1)
        return ranks.transpose(1, 2) @ items, None


class _Chunk:
    """The same iterations on K + 1 source points that weigh c_u items each.

    With E_ju = exp(position_j s_u / T), one matrix for all anchors, the scalings of the levels and of the ranks are
    f = 1 / (h E) and h = 1 / ((c f) E^T), from h = exp(-potential); the sorted payload is h * ((p f) E^T). In double
    precision E does not overflow above about K / 400 bits; below, each anchor has the kernel of the dense form.
    """

    def __init__(self, keys: Tensor, payload: Tensor, temperature: float, iterations: int, levels: int) -> None:
        self.payload, self.temperature = payload, temperature
        self.index = to_levels(keys, levels)
        self.counts = count(self.index, levels, torch.double)
        self.sums = tally(self.index, payload.double(), levels)
        self.positions = _positions(keys.double())
        centred = (levels - 1) / 2 - torch.arange(levels, device=keys.device, dtype=torch.double)
        self.level_of_rank = self.index.sort(dim=1).values
        potential = _rank_potential(centred[self.level_of_rank], temperature)
        if exponentials_fit(temperature, levels):
            self.weights = (self.positions[:, None] * centred / temperature).exp()
            self.by_rank = [(-potential).exp()]
        else:
            logits = self.positions[:, None] * centred / temperature - potential[:, :, None]
            self.weights = (logits - logits.amax(dim=1, keepdim=True)).exp()
            self.by_rank = [torch.ones_like(potential)]
        self.by_level: list[Tensor] = []
        for _ in range(iterations):
            self.by_level.append(1 / over_ranks(self.by_rank[-1], self.weights))
            self.by_rank.append(1 / over_levels(self.counts * self.by_level[-1], self.weights))
        self.carried = over_levels(self.sums * self.by_level[-1], self.weights)

    @property
    def out(self) -> Tensor:
        """Sorted payload [b, n]."""
        return (self.by_rank[-1] * self.carried).to(self.payload.dtype)

    def gradients(self, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """Of keys and payload, both [b, n]: the iterations backwards.

        An item's key moves its own column of the kernel, of which the last scaling sees its payload, all else only
        its level: the gradient is payload * factor + rest.
        """
        f, h = self.by_level, self.by_rank
        to_carried = gradient * h[-1]
        to_rank = gradient * self.carried
        from_ranks = over_ranks(to_carried, self.weights)
        payload_gradient = (f[-1] * from_ranks).gather(1, self.index)
        factor = f[-1] * self._tilted(to_carried) - f[-1].square() * from_ranks * self._tilted(h[-2])
        rest = torch.zeros_like(factor)
        for step in range(len(f) - 1, -1, -1):
            to_normaliser = -to_rank * h[step + 1].square()
            to_level = -f[step].square() * over_ranks(to_normaliser, self.weights)
            rest += f[step] * self._tilted(to_normaliser) + to_level * self._tilted(h[step])
            to_level = self.counts * to_level
            if step == len(f) - 1:
                to_level = to_level - f[step].square() * self.sums * from_ranks
            to_rank = over_levels(to_level, self.weights)
        rest = rest + self._through_potential(-to_rank * h[0])
        key_gradient = self.payload * factor.gather(1, self.index) + rest.gather(1, self.index)
        return key_gradient.to(self.payload.dtype), payload_gradient.to(self.payload.dtype)

    def _tilted(self, values: Tensor) -> Tensor:
        """Sums over ranks of values times the derivative of the logits by the key."""
        return over_ranks(values * (self.positions / self.temperature), self.weights)

    def _through_potential(self, gradient: Tensor) -> Tensor:
        """The gradient [b, n] of the rank potential as one of keys: for each item of a level its equal part, [b, L]."""
        later = gradient.flip(1).cumsum(dim=1).flip(1)[:, 1:]
        step = -later / (2 * (gradient.shape[1] - 1) * self.temperature)
        by_rank = torch.nn.functional.pad(step, (1, 0)) + torch.nn.functional.pad(step, (0, 1))
        return tally(self.level_of_rank, by_rank, self.counts.shape[1]) / self.counts.clamp(min=1)
