"""NeuralSort on levels: the weight of a level at a rank is a product of one number for both and one of the anchor's."""

from __future__ import annotations

import math

import numpy as np

from nsh_core.compiled import compiled
from nsh_core.fused.levels import Floats, Words, distances, hand_back
from nsh_core.fused.nce import nce_of_runs

# Ranks that are looked at together.
_TOGETHER = 64


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
    """SortedNCE of some anchors by NeuralSort; see sorters.neuralsort for the formulas and sorters.Kernel.

    At a rank few levels weigh anything: exponents are concave in the level, their maximum moves one way with the rank.
    """
    m, first_negative, stop = selection
    temperature = parameters[0]
    # Below that exponent a weight is nothing beside the largest: 4e-18, and 1e-10 in single precision.
    nothing = -40.0 if payload.itemsize == 8 else -23.0
    n, levels = len(items), bits + 1
    slope = np.empty(n)
    by_rank, by_level = np.empty((levels, n)), np.empty((n, levels))
    for j in range(n):
        slope[j] = (n - 1 - 2 * j) / n
        for u in range(levels):
            by_level[j, u] = math.exp(slope[j] * (bits / 2 - u) / temperature)
            by_rank[u, j] = by_level[j, u]
    distance = np.empty(n, np.int16)
    count, total, spread, own = np.empty(levels), np.empty(levels), np.empty(levels), np.empty(levels)
    ones, weight, out, a, b = np.ones(n), np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    to, to_out, to_slope, to_out_slope = np.empty(levels), np.empty(levels), np.empty(levels), np.empty(levels)
    factor, rest = np.empty(levels), np.empty(levels)
    blocks = (n + _TOGETHER - 1) // _TOGETHER
    low, high = np.empty(blocks, np.int64), np.empty(blocks, np.int64)
    for i in range(len(anchors)):
        distances(anchors[i], items, distance)
        for u in range(levels):
            count[u] = total[u] = to[u] = to_out[u] = to_slope[u] = to_out_slope[u] = 0.0
        for k in range(n):
            count[distance[k]] += 1.0
            total[distance[k]] += payload[i, k]
        # spread_u = mean_k |s_u - s_k|, from the levels before and behind.
        before, step = 0.0, 0.0
        for u in range(levels):
            step += u * count[u]
        nearest, smallest = levels, math.inf
        for u in range(levels):
            spread[u] = step / n
            before += count[u]
            step += 2 * before - n
            if count[u] > 0:
                nearest = min(nearest, u)
                smallest = min(smallest, spread[u])
        furthest = levels - 1
        while count[furthest] == 0:
            furthest -= 1
        for u in range(levels):
            own[u] = math.exp((smallest - spread[u]) / temperature) if count[u] > 0 else 0.0
        best = nearest
        for block in range(blocks):
            start, end = block * _TOGETHER, min(n, (block + 1) * _TOGETHER)
            lowest = best
            # Nearer levels lose with the rank, further ones gain: the first rank and the last one bound them.
            for j in (start, end - 1):
                for u in range(best, furthest + 1):
                    if count[u] > 0 and _exponent(slope[j], u - best, spread[u] - spread[best], temperature) > 0:
                        best = u
                if j == start:
                    lowest = best
                    while lowest > nearest and (
                        _exponent(slope[j], lowest - best, spread[lowest] - spread[best], temperature) > nothing
                    ):
                        lowest -= 1
            highest = best
            while highest < furthest and (
                _exponent(slope[end - 1], highest - best, spread[highest] - spread[best], temperature) > nothing
            ):
                highest += 1
            low[block], high[block] = lowest, highest + 1
            weights, outs = weight[start:end], out[start:end]
            for j in range(end - start):
                weights[j] = outs[j] = 0.0
            for u in range(lowest, highest + 1):
                if count[u] > 0:
                    in_level, in_total = own[u] * count[u], own[u] * total[u]
                    level = by_rank[u, start:end]
                    for j in range(end - start):
                        weights[j] += in_level * level[j]
                        outs[j] += in_total * level[j]
            for j in range(end - start):
                weights[j] = 1.0 / weights[j]
                outs[j] *= weights[j]
        loss[i] = nce_of_runs(out, ones, n, m, first_negative, stop, a)
        for j in range(n):
            a[j] *= weight[j]
            b[j] = a[j] * out[j]
        for block in range(blocks):
            lowest, highest = low[block], high[block]
            one, two = to[lowest:highest], to_out[lowest:highest]
            three, four = to_slope[lowest:highest], to_out_slope[lowest:highest]
            for j in range(block * _TOGETHER, min(n, (block + 1) * _TOGETHER)):
                level = by_level[j, lowest:highest]
                aj, bj, as_, bs = a[j], b[j], a[j] * slope[j], b[j] * slope[j]
                # Two loops: one on five arrays would not be vectorised.
                for u in range(len(level)):
                    one[u] += aj * level[u]
                    two[u] += bj * level[u]
                for u in range(len(level)):
                    three[u] += as_ * level[u]
                    four[u] += bs * level[u]
        # spread_i = mean_k |s_i - s_k| moves with the item's own key and, the other way, with those of all others.
        nearer = nearer_others = others = 0.0
        for u in range(levels):
            to[u] *= own[u]
            to_out[u] *= own[u]
            others += count[u] * to_out[u] - total[u] * to[u]
        for u in range(levels):
            mine = count[u] * to_out[u] - total[u] * to[u]
            further, further_others = n - nearer - count[u], others - nearer_others - mine
            by_own = (further - nearer) / n
            factor[u] = (own[u] * to_slope[u] - by_own * to[u]) / temperature
            rest[u] = ((further_others - nearer_others) / n - own[u] * to_out_slope[u] + by_own * to_out[u]) / (
                temperature
            )
            nearer += count[u]
            nearer_others += mine
        hand_back(payload[i], by_key[i], distance, levels, factor, rest, to, scales)


@compiled
def _exponent(slope: float, further: int, spread: float, temperature: float) -> float:
    """By what the exponent of a level differs from that of one `further` levels nearer, at the rank of a slope."""
    return (-slope * further - spread) / temperature
