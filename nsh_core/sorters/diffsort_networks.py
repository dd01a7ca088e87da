"""Differentiable sorting networks (Petersen, Borgelt, Kuehne & Deussen, ICML 2021, ICLR 2022).

The networks and distributions of the diffsort library, applied to (key, payload) pairs by index: O(n) per layer and
row where the library multiplies dense matrices.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import ClassVar

import torch
from torch import Tensor

from nsh_core.errors import UserError
from nsh_core.sorters.base import Sorter, check_rows, one_of, positive
from nsh_core.sorters.distributions import DISTRIBUTIONS
from nsh_core.sorters.networks import Network, bitonic, odd_even


@lru_cache(maxsize=64)
def _indices(
    build: Callable[[int], Network], n: int, device: torch.device
) -> tuple[list[tuple[Tensor, Tensor, Tensor]], Tensor]:
    """Per layer: the wires a, b of its comparators, and where each wire finds itself in [a's, b's, idle]."""
    network = build(n)
    layers = []
    for layer in network.layers:
        first = [a for a, _ in layer]
        second = [b for _, b in layer]
        idle = sorted(set(range(n)) - set(first) - set(second))
        place = torch.tensor(first + second + idle, device=device).argsort()
        layers.append(
            (
                torch.tensor(first + second, device=device),
                torch.tensor(idle, device=device, dtype=torch.long),
                place,
            )
        )
    return layers, torch.tensor(network.output, device=device)


class _SortingNetwork(Sorter):
    """Soft comparators on a fixed network.

    temperature: 1 / steepness of the library: the key difference, in bits, at which a comparator has clearly
        made up its mind (for "logistic", the weight of the right order is 0.73 there).
    distribution: logistic, logistic_phi, gaussian, reciprocal, cauchy or optimal.
    art_lambda: exponent of logistic_phi, in [0, 1].
    """

    network: ClassVar[Callable[[int], Network]]

    def __init__(
        self, temperature: float | None = None, distribution: str = "cauchy", art_lambda: float = 0.25
    ) -> None:
        super().__init__(temperature)
        self.distribution = one_of("distribution", distribution, tuple(DISTRIBUTIONS))
        self.art_lambda = positive("art_lambda", art_lambda)
        if self.art_lambda > 1:
            raise UserError(f"sorter art_lambda must be at most 1, got {art_lambda!r}")

    def permutation(self, keys: Tensor) -> Tensor:
        check_rows(keys)
        rows, n = keys.shape
        identity = torch.eye(n, device=keys.device, dtype=keys.dtype).expand(rows, n, n)
        return self._sort(keys, identity).transpose(1, 2)

    def sort_payload(self, keys: Tensor, payload: Tensor) -> Tensor:
        check_rows(keys, payload)
        return self._sort(keys, payload[:, None, :])[:, 0]

    def _sort(self, keys: Tensor, payload: Tensor) -> Tensor:
        """Payloads [B, p, n] of keys [B, n] in soft descending order of the keys."""
        soft = DISTRIBUTIONS[self.distribution]
        steepness = 1 / self.temperature
        layers, output = _indices(type(self).network, keys.shape[1], keys.device)
        # Wires come first, [n, 1 + p, B], so that picking some copies whole rows.
        wires = torch.cat([-keys[:, None, :], payload], dim=1).permute(2, 1, 0).contiguous()
        for paired, idle, place in layers:
            if len(paired) == 0:
                continue
            first, second = wires.index_select(0, paired).chunk(2)
            difference = first - second
            ahead = soft(-steepness * difference[:, :1], steepness, self.art_lambda)
            moved = ahead * difference
            parts = [second + moved, first - moved, wires.index_select(0, idle)]
            wires = torch.cat(parts).index_select(0, place)
        return wires[:, 1:].index_select(0, output).permute(2, 1, 0)


class OddEvenNetwork(_SortingNetwork):
    """Odd-even transposition: n layers of neighbours; slow to mix, hence a low default temperature."""

    default_temperature = 0.1
    search_range = (0.005, 2.0)
    network = staticmethod(odd_even)


class BitonicNetwork(_SortingNetwork):
    """Bitonic: about log2(n)^2 / 2 layers, any n."""

    default_temperature = 0.2
    search_range = (0.005, 2.0)
    network = staticmethod(bitonic)
