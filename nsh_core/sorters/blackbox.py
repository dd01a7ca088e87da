"""Hard ranks with the gradient of a second, perturbed sort (Rolinek et al., CVPR 2020)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from typing_extensions import override

from nsh_core.sorters.base import Sorter, check_rows


class BlackBox(Sorter):
    """argsort forward, ties by index; backward the ranks of the keys against those of keys that the loss has moved.

    Ranks r of keys s minimise <s, r> over permutations. Given d, the gradient of the loss by the ranks, Rolinek et al.
    sort once more, s + lambda d, to ranks r', and hand (r' - r) / lambda to the keys: the gradient of a piecewise
    linear interpolation of <d, r> (Vlastelica et al., ICLR 2020). What differs here from them, as public code has it:

    - Their losses are written in ranks, and d is their slope. Ours reads a list, whose gradient g stands at ranks: with
      the payload p it comes, linearised, to sum_i p_i g_(r_i), which has no slope in r_i. d is that of the function
      linear in ranks that is nearest to it in least squares over all permutations: p_i times the slope of g over the
      ranks. So the second sort is by s + lambda * slope * p. (Slopes of g from rank to rank made codes collapse, see
      docs/levels.md; that without any such step wants an assignment problem in place of the sort.)
    - lambda is one for each row, temperature / (max d - min d): no two keys move against one another by more than the
      temperature, in bits, and the gradient of a loss times c is c times the gradient. Theirs is a constant.

    Payloads have their exact gradient. Items of equal keys stand in the order of their index, as argsort has them, and
    are what the second sort reorders first: their gradient is that of this order, no mean over orders.
    """

    paper = "Rolinek et al., Optimizing Rank-Based Metrics with Blackbox Differentiation, CVPR 2020"
    default_temperature = 2.0
    search_range = (0.3, 20.0)
    level_form = "hard"

    def ranks(self, keys: Tensor) -> Tensor:
        """Ranks [B, n] of keys [B, n] from 1, that of the largest, as floats with the gradient above."""
        check_rows(keys)
        ranks: Tensor = _Ranks.apply(keys, self.temperature)
        return ranks

    @override
    def permutation(self, keys: Tensor) -> Tensor:
        ranks, n = self.ranks(keys), keys.shape[1]
        identity = torch.eye(n, device=keys.device, dtype=keys.dtype).expand(len(keys), n, n)
        matrix: Tensor = _InOrder.apply(ranks, identity)
        return matrix

    @override
    def sort_payload(self, keys: Tensor, payload: Tensor) -> Tensor:
        check_rows(keys, payload)
        in_order: Tensor = _InOrder.apply(self.ranks(keys), payload[:, :, None])
        return in_order[:, :, 0]


class _Ranks(torch.autograd.Function):
    """The ranking solver: ranks of keys [B, n], and (r' - r) / lambda for the gradient d of r."""

    @staticmethod
    def forward(ctx: Any, keys: Tensor, temperature: float) -> Tensor:
        ranked, order = keys.sort(dim=1, descending=True, stable=True)
        ctx.save_for_backward(ranked, order)
        ctx.temperature = temperature
        places = torch.arange(1, keys.shape[1] + 1, device=keys.device, dtype=keys.dtype).expand_as(keys)
        return torch.empty_like(keys).scatter_(1, order, places)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        ranked, order = ctx.saved_tensors
        by_rank = gradient.gather(1, order)
        least = by_rank.amin(dim=1, keepdim=True)
        span = by_rank.amax(dim=1, keepdim=True) - least
        share = (by_rank - least) / span.where(span > 0, 1.0)
        # In the order of the first sort, so that ties of the second change nothing.
        moved = (ranked + ctx.temperature * share).argsort(dim=1, descending=True, stable=True)
        places = torch.arange(ranked.shape[1], device=ranked.device).expand_as(moved)
        change = torch.empty_like(moved).scatter_(1, moved, places) - places
        steps = change * (span / ctx.temperature)
        return torch.empty_like(ranked).scatter_(1, order, steps), None


class _InOrder(torch.autograd.Function):
    """Payload [B, n, c] in the order of whole ranks [B, n] from 1; d for the ranks, see BlackBox."""

    @staticmethod
    def forward(ctx: Any, ranks: Tensor, payload: Tensor) -> Tensor:
        places = ranks.long() - 1
        in_order = torch.empty_like(payload).scatter_(1, places[:, :, None].expand_as(payload), payload)
        ctx.save_for_backward(places, in_order)
        return in_order

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        places, in_order = ctx.saved_tensors
        n = in_order.shape[1]
        steps = torch.arange(n, device=gradient.device, dtype=gradient.dtype) - 0.5 * (n - 1)
        slopes = (gradient * steps[:, None]).sum(dim=1, keepdim=True) / steps.square().sum().clamp(min=0.5)
        by_rank = (in_order * slopes).sum(dim=2)
        return by_rank.gather(1, places), gradient.gather(1, places[:, :, None].expand_as(gradient))
