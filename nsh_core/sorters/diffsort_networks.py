"""Differentiable sorting networks (Petersen, Borgelt, Kuehne & Deussen, ICML 2021, ICLR 2022).

The networks and distributions of the diffsort library, applied to (key, payload) pairs by index: O(n) per layer and
row where the library multiplies dense matrices. Error-free swaps are those of Kim, Yoon & Cho, ICLR 2024.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from typing_extensions import override

from nsh_core.errors import UserError
from nsh_core.sorters.base import Sorter, check_rows, one_of, positive
from nsh_core.sorters.distributions import DISTRIBUTIONS, Distribution
from nsh_core.sorters.kernel import Kernel
from nsh_core.sorters.networks import Network, bitonic, odd_even, wiring

# Values that the layers of a chunk of rows may leave for the backward pass.
_KEPT = 2**24


@dataclass(frozen=True)
class _Step:
    """A layer: where its first and second wires lie, in that order, after a rearrangement if one is needed."""

    first: slice
    second: slice
    order: Tensor | None
    inverse: Tensor | None


@lru_cache(maxsize=64)
def _steps(build: Callable[[int], Network], n: int, device: torch.device) -> tuple[list[_Step], Tensor]:
    """The layers, and where each rank lies after the last one.

    Wires are rearranged where those of a layer do not lie one after the other: twice for odd-even, which then finds
    even and odd wires as two blocks.
    """
    network = build(n)
    stored = list(range(n))
    steps = []
    for layer in filter(None, network.layers):
        first, second = [a for a, _ in layer], [b for _, b in layer]
        order = inverse = None
        if not (_is_run(first, stored) and _is_run(second, stored)):
            wanted = [*first, *second, *sorted(set(range(n)) - set(first) - set(second))]
            order = torch.tensor([stored.index(wire) for wire in wanted], device=device)
            inverse, stored = order.argsort(), wanted
        a, b = stored.index(first[0]), stored.index(second[0])
        steps.append(_Step(slice(a, a + len(layer)), slice(b, b + len(layer)), order, inverse))
    return steps, torch.tensor([stored.index(wire) for wire in network.output], device=device)


def _is_run(wires: list[int], stored: list[int]) -> bool:
    start = stored.index(wires[0])
    return stored[start : start + len(wires)] == wires


class _SortingNetwork(Sorter):
    """Soft comparators on a fixed network.

    Args:
        temperature: 1 / steepness of the library: the key difference, in bits, at which a comparator has clearly
            made up its mind (for "logistic", the weight of the right order is 0.73 there).
        distribution: logistic, logistic_phi, gaussian, reciprocal, cauchy or optimal.
        art_lambda: Exponent of logistic_phi, in (0, 1].
        swap: "soft", or "error_free": comparators swap hard, so that no layer sees keys that those before it softened,
            and hand back the gradient of the soft swap of what they saw. The list is then that of argsort.

    Raises:
        UserError: An option that is not allowed.
    """

    paper = "Petersen et al., Differentiable Sorting Networks for Scalable Sorting and Ranking Supervision, ICML 2021"
    level_form = "network"
    network: ClassVar[Callable[[int], Network]]

    def __init__(
        self,
        temperature: float | None = None,
        distribution: str = "cauchy",
        art_lambda: float = 0.25,
        swap: str = "soft",
    ) -> None:
        super().__init__(temperature)
        self.distribution = one_of("distribution", distribution, tuple(DISTRIBUTIONS))
        self.art_lambda = positive("art_lambda", art_lambda)
        if self.art_lambda > 1:
            raise UserError(f"sorter art_lambda must be at most 1, got {art_lambda!r}")
        self.swap = one_of("swap", swap, ("soft", "error_free"))

    @override
    def permutation(self, keys: Tensor) -> Tensor:
        check_rows(keys)
        rows, n = keys.shape
        identity = torch.eye(n, device=keys.device, dtype=keys.dtype).expand(rows, n, n)
        return self._sort(keys, identity).transpose(1, 2)

    @override
    def sort_payload(self, keys: Tensor, payload: Tensor) -> Tensor:
        check_rows(keys, payload)
        if self._is_compiled(keys):
            from nsh_core.fused import sort_by_network  # numba's import takes as long as torch's

            wires = wiring(type(self).network, keys.shape[1])
            return sort_by_network(keys / self.temperature, payload, wires, self.swap == "error_free")
        return self._sort(keys, payload[:, None, :])[:, 0]

    @override
    def kernel(self, codes: Tensor) -> Kernel | None:
        if not self._is_compiled(codes):
            return None
        from nsh_core.fused.networks import network  # numba's import takes as long as torch's

        wires = wiring(type(self).network, codes.shape[-2])
        return Kernel(network, (self.temperature, tuple(wires), self.swap == "error_free"))

    def _is_compiled(self, values: Tensor) -> bool:
        """Whether there is compiled code: of the default distribution, in single precision."""
        return self.distribution == "cauchy" and values.device.type == "cpu" and values.dtype == torch.float32

    def _sort(self, keys: Tensor, payload: Tensor) -> Tensor:
        """Payloads [B, p, n] of keys [B, n] in soft descending order of the keys."""
        steps, output = _steps(type(self).network, keys.shape[1], keys.device)
        # Wires come first, [n, 1 + p, B], so that picking some copies whole rows.
        wires = torch.cat([keys[:, None, :] / self.temperature, payload], dim=1).permute(2, 1, 0).contiguous()
        exact = self.swap == "error_free"
        soft = _Soft(DISTRIBUTIONS[self.distribution], 1 / self.temperature, self.art_lambda, exact)
        return _Layers.apply(wires, steps, soft)[:, 1:].index_select(0, output).permute(2, 1, 0)


@dataclass(frozen=True)
class _Soft:
    """A distribution with its parameters, as a function of v, the difference of keys in units of the temperature.

    Where `exact`, comparators swap hard, and only the backward pass takes the weight.
    """

    distribution: Distribution
    steepness: float
    art_lambda: float
    exact: bool

    def weight(self, v: Tensor) -> Tensor:
        return self.distribution.weight(v, self.steepness, self.art_lambda)

    def slope(self, v: Tensor, weight: Tensor) -> Tensor:
        return self.distribution.slope(v, weight, self.steepness, self.art_lambda)


class _Layers(torch.autograd.Function):
    """All layers on wires [n, channels, B], channel 0 the keys over the temperature.

    With v the key difference and m = weight(v) * (first - second), a comparator leaves second + m on its first wire,
    which gets the larger key, and first - m on its second. An error-free one has weight 0 or 1 there, and the gradient
    of the soft one at the same keys.
    Rows that do not fit at once are sorted again in the backward pass.
    """

    @staticmethod
    def forward(ctx: Any, wires: Tensor, steps: list[_Step], soft: _Soft) -> Tensor:
        ctx.save_for_backward(wires)
        ctx.steps, ctx.soft, ctx.kept = steps, soft, None
        chunks = wires.split(_rows_at_once(wires, steps), dim=2)
        results = []
        for chunk in chunks:
            kept: list[tuple[Tensor, Tensor]] | None = [] if len(chunks) == 1 and ctx.needs_input_grad[0] else None
            results.append(_forward(chunk, steps, soft, kept))
            ctx.kept = kept
        return torch.cat(results, dim=2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (wires,) = ctx.saved_tensors
        size = _rows_at_once(wires, ctx.steps)
        results = []
        for chunk, part in zip(wires.split(size, dim=2), gradient.split(size, dim=2), strict=True):
            kept = ctx.kept
            if kept is None:
                kept = []
                _forward(chunk, ctx.steps, ctx.soft, kept)
            results.append(_backward(part, ctx.steps, ctx.soft, kept))
        return torch.cat(results, dim=2), None, None


def _rows_at_once(wires: Tensor, steps: list[_Step]) -> int:
    pairs = sum(step.first.stop - step.first.start for step in steps)
    return max(1, _KEPT // (1 + pairs * (wires.shape[1] + 1)))


def _forward(wires: Tensor, steps: list[_Step], soft: _Soft, kept: list[tuple[Tensor, Tensor]] | None) -> Tensor:
    """The wires after the last layer; appends each layer's differences and weights to `kept`."""
    wires = wires.clone()
    for step in steps:
        if step.order is not None:
            wires = wires.index_select(0, step.order)
        first, second = wires[step.first], wires[step.second]
        difference = first - second
        weight = soft.weight(difference[:, :1])
        if soft.exact:
            in_order = difference[:, :1] >= 0
            winner, loser = first.where(in_order, second), second.where(in_order, first)
            first.copy_(winner)
        else:
            moved = difference * weight
            loser = first - moved
            torch.add(second, moved, out=first)
        second.copy_(loser)
        if kept is not None:
            kept.append((difference, weight))
    return wires


def _backward(gradient: Tensor, steps: list[_Step], soft: _Soft, kept: list[tuple[Tensor, Tensor]]) -> Tensor:
    """The gradient of the wires, by that of _forward's result."""
    gradient = gradient.clone()
    for step, (difference, weight) in zip(reversed(steps), reversed(kept), strict=True):
        first, second = gradient[step.first], gradient[step.second]
        to_moved = first - second
        by_key = (to_moved * difference).sum(dim=1) * soft.slope(difference[:, 0], weight[:, 0])
        to_moved *= weight
        loser = first - to_moved
        torch.add(second, to_moved, out=first)
        second.copy_(loser)
        first[:, 0] += by_key
        second[:, 0] -= by_key
        if step.inverse is not None:
            gradient = gradient.index_select(0, step.inverse)
    return gradient


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
