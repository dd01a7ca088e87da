"""Payloads carried to ranks by exp(-|soft rank - rank| / width): sums on either side of a rank decay geometrically."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from typing_extensions import override

from nsh_core.compiled import compiled
from nsh_core.fused.levels import Floats, tally
from nsh_core.fused.threads import on_threads


def carry_to_ranks(ranks: Tensor, payload: Tensor, distance: Tensor, width: float, levels: int) -> Tensor:
    """For each rank j from 1 the mean of the payload weighted by exp(-|r_i - j| / width).

    Args:
        ranks: Soft ranks [B, n], the same for all items of a level, growing with its distance; float32 or float64.
        payload: [B, n].
        distance: Levels of the items, int64 [B, n].
        width: Of the kernel, in ranks.
        levels: K + 1.

    Returns:
        [B, n].
    """
    result: Tensor = _Carry.apply(ranks, payload, distance, width, levels)
    return result


class _Carry(torch.autograd.Function):
    """The backward pass carries once more: memory O(B n)."""

    @staticmethod
    @override
    def forward(ctx: Any, ranks: Tensor, payload: Tensor, distance: Tensor, width: float, levels: int) -> Tensor:
        ctx.save_for_backward(ranks, payload, distance)
        ctx.settings = width, levels
        out = torch.empty_like(payload)
        # Without a gradient of its own, what would be handed back is not asked for.
        rows = [one.detach().numpy() for one in (ranks, payload, distance, out, out, out, out)]
        on_threads(carry, rows, (*ctx.settings, False))
        return out

    @staticmethod
    @once_differentiable
    @override
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        made = [torch.empty_like(gradient) for _ in range(3)]
        rows = [one.contiguous().numpy() for one in (*ctx.saved_tensors, made[0], gradient, *made[1:])]
        on_threads(carry, rows, (*ctx.settings, True))
        return made[1], made[2], None, None, None


@compiled
def carry(
    ranks: Floats,
    payload: Floats,
    distance: Floats,
    out: Floats,
    gradient: Floats,
    by_rank: Floats,
    by_payload: Floats,
    width: float,
    levels: int,
    back: bool,
) -> None:
    """Rows of carry_to_ranks into `out`, and with `back` the gradients of ranks and payload by that of `out`.

    Gap g holds the ranks between the soft ranks of the occupied levels g - 1 and g. Exponents are taken from the level
    nearest to a rank, so that none overflows and no sum vanishes.
    """
    n = ranks.shape[1]
    level_of, run = np.empty(n, np.int16), np.empty(n, np.int16)
    count, total, level, at = np.empty(levels), np.empty(levels), np.empty(levels), np.empty(levels)
    decay = np.empty(levels + 1)
    sums = np.empty((4, levels + 1))  # of items and of payload, at lower soft ranks and at higher ones
    handed = np.empty((4, levels + 1))  # from ranks beyond a level and from those before it: a, and a out
    exact = np.empty(
        (2, levels)
    )  # of the first two what comes from a rank that is the soft rank itself: it has no slope
    for i in range(len(ranks)):
        for k in range(n):
            level_of[k] = distance[i, k]
        runs = tally(level_of, payload[i], count, total, level, run)
        for k in range(n):
            at[run[k]] = ranks[i, k]
        sums[:, 0] = 0.0
        sums[2, runs] = sums[3, runs] = decay[0] = decay[runs] = 0.0
        for u in range(runs):
            decay[u] = math.exp((at[u - 1] - at[u]) / width) if u > 0 else 0.0
            sums[0, u + 1] = sums[0, u] * decay[u] + count[u]
            sums[1, u + 1] = sums[1, u] * decay[u] + total[u]
        for u in range(runs - 1, -1, -1):
            sums[2, u] = sums[2, u + 1] * decay[u + 1] + count[u]
            sums[3, u] = sums[3, u + 1] * decay[u + 1] + total[u]
        handed[:] = 0.0
        exact[:] = 0.0
        g = 0
        for j in range(n):
            while g < runs and at[g] <= j + 1:
                g += 1
            lower = j + 1 - at[g - 1] if g > 0 else math.inf
            higher = at[g] - (j + 1) if g < runs else math.inf
            nearest = min(lower, higher)
            from_lower, from_higher = math.exp((nearest - lower) / width), math.exp((nearest - higher) / width)
            weight = from_lower * sums[0, g] + from_higher * sums[2, g]
            value = (from_lower * sums[1, g] + from_higher * sums[3, g]) / weight
            out[i, j] = value
            if back:
                a = gradient[i, j] / weight
                handed[0, g] += from_lower * a
                handed[1, g] += from_lower * a * value
                handed[2, g] += from_higher * a
                handed[3, g] += from_higher * a * value
                u = g - 1
                while u >= 0 and at[u] == j + 1:
                    exact[0, u] += a
                    exact[1, u] += a * value
                    u -= 1
        if not back:
            continue
        for u in range(runs - 1, -1, -1):
            for kind in range(2):
                handed[kind, u + 1] += handed[kind, u + 2] * decay[u + 1] if u < runs - 1 else 0.0
        for u in range(1, runs):
            for kind in range(2, 4):
                handed[kind, u] += handed[kind, u - 1] * decay[u]
        for k in range(n):
            u = run[k]
            by_payload[i, k] = handed[0, u + 1] + handed[2, u]
            slope = handed[2, u] - (handed[0, u + 1] - exact[0, u])
            slope_out = handed[3, u] - (handed[1, u + 1] - exact[1, u])
            by_rank[i, k] = (slope_out - payload[i, k] * slope) / width
