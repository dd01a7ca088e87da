"""NeuralSort on levels: the weight of a level at a rank is a product of one number for both and one of the anchor's."""

from __future__ import annotations

import math

import numpy as np

from nsh_core.compiled import compiled
from nsh_core.fused.kernel_matrix import (
    fold,
    kernel_matrix,
    over_levels,
    over_ranks,
    unfold,
    whole_vectors,
)
from nsh_core.fused.levels import Floats, Words, distances, hand_back
from nsh_core.fused.nce import nce_of_runs


@compiled
def neuralsort(
    payload: Floats,
    by_key: Floats,
    loss: Floats,
    anchors: Words,
    items: Words,
    bits: int,
    selection: tuple[int, int, int],
    scales: tuple[float, float],
    parameters: tuple[float],
) -> None:
    """SortedNCE of some anchors by NeuralSort; see sorters.neuralsort for the formulas and sorters.Kernel."""
    m, first_negative, stop = selection
    temperature = parameters[0]
    n = len(items)
    ones, out, by_rank = np.ones(n), np.empty(n), np.empty(n)
    to_ranks, to_nodes, at_nodes, by_stretch, by_level, position, real = kernel_matrix(
        n, bits, (n - 1) / n, -2 / n, temperature, 1e-16 if payload.itemsize == 8 else 1e-10, out
    )
    levels = at_nodes.shape[1]
    distance = np.empty(n, np.int16)
    count, total, to_level = np.empty(levels), np.empty(levels), np.empty(levels)
    spread, own = np.empty(levels), np.empty(levels)
    to, to_out, to_slope, to_out_slope = np.zeros(levels), np.zeros(levels), np.zeros(levels), np.zeros(levels)
    factor, rest = np.empty(levels), np.empty(levels)
    share, result, gradient = np.empty(real.shape), np.empty(real.shape), np.zeros(real.shape)
    room = np.empty((2 * len(position), levels)), np.empty((2 * len(position), real.shape[1]))
    for i in range(len(anchors)):
        distances(anchors[i], items, distance)
        for u in range(levels):
            count[u] = total[u] = 0.0
        for k in range(n):
            count[distance[k]] += 1.0
            total[distance[k]] += payload[i, k]
        # spread_u = mean_k |s_u - s_k|, from the levels before and behind.
        before, step = 0.0, 0.0
        for u in range(levels):
            step += u * count[u]
        nearest, furthest, smallest = levels, 0, math.inf
        for u in range(levels):
            spread[u] = step / n
            before += count[u]
            step += 2 * before - n
            if count[u] > 0:
                nearest, furthest = min(nearest, u), u
                smallest = min(smallest, spread[u])
        low, high = whole_vectors(nearest, furthest + 1)
        for u in range(levels):
            own[u] = math.exp((smallest - spread[u]) / temperature) if count[u] > 0 else 0.0
            to_level[u] = own[u] * count[u]
        over_levels(to_level, at_nodes, by_level, to_ranks, low, high, room, share)
        for u in range(levels):
            to_level[u] = own[u] * total[u]
        over_levels(to_level, at_nodes, by_level, to_ranks, low, high, room, result)
        for k in range(len(real)):
            one, other, of_rank = share[k], result[k], real[k]
            for s in range(len(one)):
                one[s] = of_rank[s] / one[s]
                other[s] *= one[s]
        unfold(result, out)
        loss[i] = nce_of_runs(out, ones, n, m, first_negative, stop, by_rank)
        fold(by_rank, gradient)
        for k in range(len(real)):
            one, other, value = share[k], gradient[k], result[k]
            for s in range(len(one)):
                one[s] *= other[s]
                value[s] *= one[s]
        over_ranks(share, to_nodes, position, at_nodes, by_stretch, low, high, room, to, to_slope)
        over_ranks(result, to_nodes, position, at_nodes, by_stretch, low, high, room, to_out, to_out_slope)
        # spread_i = mean_k |s_i - s_k| moves with the item's own key and, the other way, with those of all others.
        nearer = nearer_others = others = 0.0
        for u in range(levels):
            # Beside the occupied levels sums may be out of range.
            to[u] = to[u] * own[u] if count[u] > 0 else 0.0
            to_out[u] = to_out[u] * own[u] if count[u] > 0 else 0.0
            others += count[u] * to_out[u] - total[u] * to[u]
        for u in range(levels):
            mine = count[u] * to_out[u] - total[u] * to[u]
            further, further_others = n - nearer - count[u], others - nearer_others - mine
            by_own = (further - nearer) / n / temperature
            factor[u] = own[u] * to_slope[u] - by_own * to[u]
            rest[u] = (further_others - nearer_others) / n / temperature - own[u] * to_out_slope[u] + by_own * to_out[u]
            nearer += count[u]
            nearer_others += mine
        hand_back(payload[i], by_key[i], distance, levels, factor, rest, to, scales)
