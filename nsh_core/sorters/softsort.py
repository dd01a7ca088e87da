"""SoftSort (Prillo & Eisenschlos, ICML 2020, eq. 2)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from typing_extensions import override

from nsh_core.sorters.base import Sorter, check_rows
from nsh_core.sorters.kernel import Kernel
from nsh_core.sorters.levels import Ranked, count, row_chunks, tally, to_levels
from nsh_core.sorters.scan import decayed_sums


class SoftSort(Sorter):
    """Row j is a softmax over items of -|key of rank j - key of the item| / temperature.

    The temperature is the key distance, in bits, at which an item's weight falls by a factor e.
    """

    paper = "Prillo & Eisenschlos, SoftSort: A Continuous Relaxation for the argsort Operator, ICML 2020"
    default_temperature = 1.0
    search_range = (0.1, 10.0)
    level_form = "levels"

    @override
    def permutation(self, keys: Tensor) -> Tensor:
        check_rows(keys)
        ranked = keys.sort(dim=1, descending=True, stable=True).values
        distance = (ranked[:, :, None] - keys[:, None, :]).abs()
        return (-distance / self.temperature).softmax(dim=2)

    @override
    def sort_payload(self, keys: Tensor, payload: Tensor) -> Tensor:
        check_rows(keys, payload)
        return _Scanned.apply(keys, payload, self.temperature)

    @override
    def sort_levels(self, keys: Tensor, payload: Tensor, levels: int) -> Ranked:
        check_rows(keys, payload)
        return Ranked(*_OnLevels.apply(keys, payload, self.temperature, levels))

    @override
    def kernel(self, codes: Tensor) -> Kernel | None:
        from nsh_core.fused.softsort import softsort  # numba's import takes as long as torch's

        return Kernel(softsort, (self.temperature,))


class _OnLevels(torch.autograd.Function):
    """All ranks of level v hold out_v = sum_u A_vu p_u / sum_u A_vu c_u, with A_vu = exp(-|v - u| / temperature).

    Returns out [B, L], 0 where a level is empty, and the counts [B, L]. A is one matrix for all anchors, A_vv = 1 keeps
    the denominator of an occupied level at 1 or above. C_vu = dA_vu / d(key of u) = sign(u - v) A_vu / temperature,
    and the key of the rank, which moves the other way, belongs to the items of level v in equal parts.
    """

    @staticmethod
    def forward(ctx: Any, keys: Tensor, payload: Tensor, temperature: float, levels: int) -> tuple[Tensor, Tensor]:
        place = torch.arange(levels, device=keys.device, dtype=keys.dtype)
        step = place[None, :] - place[:, None]
        near = (-step.abs() / temperature).exp()
        counts, sums = keys.new_empty(len(keys), levels), keys.new_empty(len(keys), levels)
        for rows in row_chunks(*keys.shape):
            index = to_levels(keys[rows], levels)
            counts[rows], sums[rows] = count(index, levels, keys.dtype), tally(index, payload[rows], levels)
        # An empty level may be too far from all others for any weight.
        share = torch.where(counts > 0, 1 / (counts @ near), 0.0)
        out = (sums @ near) * share
        ctx.save_for_backward(keys, payload, near, step.sign() * near / temperature, counts, sums, share, out)
        ctx.mark_non_differentiable(counts)
        return out, counts

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor, Tensor, None, None]:
        keys, payload, near, slope, counts, sums, share, out = ctx.saved_tensors
        a = gradient * share
        b = a * out
        for_payload, by_payload = a @ near, a @ slope
        # C is antisymmetric: -sum_u C_vu (p_u - out_v c_u) = (p C)_v - out_v (c C)_v.
        of_ranks = a * (sums @ slope - out * (counts @ slope))
        for_keys = of_ranks / counts.clamp(min=1) - b @ slope
        key_gradient, payload_gradient = torch.empty_like(keys), torch.empty_like(keys)
        for rows in row_chunks(*keys.shape):
            index = to_levels(keys[rows], near.shape[0])
            torch.gather(for_payload[rows], 1, index, out=payload_gradient[rows])
            key_gradient[rows] = payload[rows] * by_payload[rows].gather(1, index) + for_keys[rows].gather(1, index)
        return key_gradient, payload_gradient, None, None


class _Scanned(torch.autograd.Function):
    """Any keys in O(n log n): in sorted order the weights of a rank decay geometrically to both sides."""

    @staticmethod
    def forward(ctx: Any, keys: Tensor, payload: Tensor, temperature: float) -> Tensor:
        ranked, order = keys.sort(dim=1, descending=True, stable=True)
        carried = payload.gather(1, order)
        higher, lower, all_items = decayed_sums(ranked, torch.stack([torch.ones_like(carried), carried]), temperature)
        weight, total = all_items
        out = total / weight
        ctx.save_for_backward(ranked, order, carried, weight, out, higher - lower)
        ctx.temperature = temperature
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        ranked, order, carried, weight, out, (weight_difference, total_difference) = ctx.saved_tensors
        a = gradient / weight
        higher, lower, all_ranks = decayed_sums(ranked, torch.stack([a, a * out]), ctx.temperature)
        difference, difference_out = higher - lower
        as_item = carried * difference - difference_out
        as_rank = a * (total_difference - out * weight_difference)
        key_gradient = torch.empty_like(ranked).scatter_(1, order, (as_item + as_rank) / ctx.temperature)
        payload_gradient = torch.empty_like(ranked).scatter_(1, order, all_ranks[0])
        return key_gradient, payload_gradient, None
