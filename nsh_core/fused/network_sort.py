"""A network's sort of any keys, compiled."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from typing_extensions import override

from nsh_core.fused.networks import sort_rows, unsort_rows
from nsh_core.fused.threads import on_threads
from nsh_core.sorters.networks import Wiring


def sort_by_network(keys: Tensor, payload: Tensor, wiring: Wiring, exact: bool) -> Tensor:
    """The payload in the order that a network of Cauchy comparators gives it.

    Args:
        keys: [B, n] over the temperature, float32 on the CPU.
        payload: [B, n].
        wiring: Of the network.
        exact: Whether comparators swap hard; see sorters.diffsort_networks.

    Returns:
        [B, n].
    """
    result: Tensor = _Sort.apply(keys, payload, wiring, exact)
    return result


class _Sort(torch.autograd.Function):
    """The backward pass sorts once more: memory O(B n)."""

    @staticmethod
    @override
    def forward(ctx: Any, keys: Tensor, payload: Tensor, wiring: Wiring, exact: bool) -> Tensor:
        ctx.save_for_backward(keys, payload)
        ctx.settings = tuple(wiring), exact
        out = torch.empty_like(payload)
        on_threads(sort_rows, [one.detach().numpy() for one in (keys, payload, out)], ctx.settings)
        return out

    @staticmethod
    @once_differentiable
    @override
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        rows = *ctx.saved_tensors, gradient, *(torch.empty_like(gradient) for _ in range(2))
        on_threads(unsort_rows, [one.numpy() for one in rows], ctx.settings)
        return *rows[3:], None, None
