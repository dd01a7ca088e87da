"""Sinkhorn on levels: scalings of K + 1 source points and n ranks, by one kernel matrix for all anchors."""

from __future__ import annotations

import math

import numpy as np

from nsh_core.compiled import compiled
from nsh_core.fused.levels import Floats, Words, distances, hand_back
from nsh_core.fused.nce import nce_of_runs


@compiled
def sinkhorn(
    payload: Floats,
    by_key: Floats,
    loss: Floats,
    anchors: Words,
    items: Words,
    bits: int,
    selection: tuple[int, int, int],
    scales: tuple[float, float],
    parameters: tuple[float, int],
) -> None:
    """SortedNCE of some anchors by Sinkhorn; see sorters.sinkhorn for the formulas and sorters.Kernel.

    Scalings have the payload's precision. No square of one is taken, which might not be a number of that precision.
    """
    m, first_negative, stop = selection
    temperature, iterations = parameters
    n, levels = len(items), bits + 1
    kind = payload.dtype
    position = np.empty(n, kind)
    by_rank, by_level = np.empty((levels, n), kind), np.empty((n, levels), kind)
    for j in range(n):
        place = 0.5 - j / (n - 1)
        position[j] = place / temperature
        for u in range(levels):
            by_level[j, u] = math.exp(place * (bits / 2 - u) / temperature)
            by_rank[u, j] = by_level[j, u]
    distance, level_of_rank = np.empty(n, np.int16), np.empty(n, np.int16)
    count, total = np.empty(levels, kind), np.empty(levels, kind)
    f, h = np.empty((iterations, levels), kind), np.empty((iterations + 1, n), kind)
    carried, to_rank, room, to_level = np.empty(n, kind), np.empty(n, kind), np.empty(n, kind), np.empty(levels, kind)
    from_ranks, tilted, tilted_h = np.empty(levels, kind), np.empty(levels, kind), np.empty(levels, kind)
    factor, rest, by_payload = np.empty(levels), np.empty(levels), np.empty(levels)
    ones, out, gradient = np.ones(n), np.empty(n), np.empty(n)
    for i in range(len(anchors)):
        distances(anchors[i], items, distance)
        for u in range(levels):
            count[u] = total[u] = rest[u] = factor[u] = by_payload[u] = 0.0
        for k in range(n):
            count[distance[k]] += 1
            total[distance[k]] += payload[i, k]
        # The potential of the hard transport; levels that nothing occupies at either end are left out of all sums.
        rank, potential, before = 0, 0.0, 0.0
        low, high = levels, 0
        for u in range(levels):
            if count[u] > 0:
                low, high = min(low, u), u + 1
            for _ in range(int(count[u])):
                key = bits / 2 - u
                potential += (before + key) / (2 * (n - 1)) / temperature if rank > 0 else 0.0
                level_of_rank[rank], h[0, rank], before = u, math.exp(potential), key
                rank += 1
        for step in range(iterations):
            over_ranks(h[step], by_level, low, high, f[step])
            for u in range(low, high):
                f[step, u] = 1 / f[step, u]
                to_level[u] = count[u] * f[step, u]
            over_levels(to_level, by_rank, low, high, h[step + 1])
            for j in range(n):
                h[step + 1, j] = 1 / h[step + 1, j]
        for u in range(low, high):
            to_level[u] = total[u] * f[-1, u]
        over_levels(to_level, by_rank, low, high, carried)
        for j in range(n):
            out[j] = h[-1, j] * carried[j]
        loss[i] = nce_of_runs(out, ones, n, m, first_negative, stop, gradient)
        # An item's key moves its own column of the kernel, of which the last scaling sees its payload, all else only
        # its level: the gradient is payload * factor + rest.
        for j in range(n):
            to_rank[j] = gradient[j] * carried[j]
            carried[j] = gradient[j] * h[-1, j]
        over_ranks(carried, by_level, low, high, from_ranks)
        over_tilted_ranks(carried, position, room, by_level, low, high, tilted)
        over_tilted_ranks(h[-2], position, room, by_level, low, high, tilted_h)
        for u in range(low, high):
            by_payload[u] = f[-1, u] * from_ranks[u]
            factor[u] = f[-1, u] * tilted[u] - f[-1, u] * tilted_h[u] * by_payload[u]
        for step in range(iterations - 1, -1, -1):
            for j in range(n):
                to_rank[j] = -(to_rank[j] * h[step + 1, j]) * h[step + 1, j]
            over_ranks(to_rank, by_level, low, high, from_ranks)
            over_tilted_ranks(to_rank, position, room, by_level, low, high, tilted)
            over_tilted_ranks(h[step], position, room, by_level, low, high, tilted_h)
            for u in range(low, high):
                own = f[step, u] * from_ranks[u]
                rest[u] += f[step, u] * tilted[u] - f[step, u] * tilted_h[u] * own
                to_level[u] = -(count[u] * own) * f[step, u]
                if step == iterations - 1:
                    to_level[u] -= total[u] * by_payload[u] * f[step, u]
            over_levels(to_level, by_rank, low, high, to_rank)
        # Through the potential: a step between two ranks moves with both keys, and all later ranks with it.
        later = 0.0
        for u in range(low, high):
            to_level[u] = 0.0
        for j in range(n - 1, 0, -1):
            later += to_rank[j] * h[0, j]
            to_level[level_of_rank[j]] += later
            to_level[level_of_rank[j - 1]] += later
        for u in range(low, high):
            rest[u] += to_level[u] / (2 * (n - 1) * temperature) / max(count[u], 1)
        hand_back(payload[i], by_key[i], distance, high, factor, rest, by_payload, scales)


@compiled
def over_ranks(values: Floats, by_level: Floats, low: int, high: int, out: Floats) -> None:
    """Sums over ranks of values [n] times the kernel [n, levels], for levels from `low` to `high` - 1 of `out`."""
    sums = out[low:high]
    for u in range(len(sums)):
        sums[u] = 0
    whole = len(values) // 4 * 4
    for j in range(0, whole, 4):
        a, b, c, d = values[j], values[j + 1], values[j + 2], values[j + 3]
        one, two = by_level[j, low:high], by_level[j + 1, low:high]
        three, four = by_level[j + 2, low:high], by_level[j + 3, low:high]
        for u in range(len(sums)):
            sums[u] += (a * one[u] + b * two[u]) + (c * three[u] + d * four[u])
    for j in range(whole, len(values)):
        a, one = values[j], by_level[j, low:high]
        for u in range(len(sums)):
            sums[u] += a * one[u]


@compiled
def over_tilted_ranks(
    values: Floats, position: Floats, room: Floats, by_level: Floats, low: int, high: int, out: Floats
) -> None:
    """over_ranks of values times positions, which `room` holds meanwhile."""
    for j in range(len(values)):
        room[j] = values[j] * position[j]
    over_ranks(room, by_level, low, high, out)


@compiled
def over_levels(values: Floats, by_rank: Floats, low: int, high: int, out: Floats) -> None:
    """Sums over levels from `low` to `high` - 1 of values [levels] times the kernel [levels, n]."""
    for j in range(len(out)):
        out[j] = 0
    whole = low + (high - low) // 4 * 4
    for u in range(low, whole, 4):
        a, b, c, d = values[u], values[u + 1], values[u + 2], values[u + 3]
        one, two, three, four = by_rank[u], by_rank[u + 1], by_rank[u + 2], by_rank[u + 3]
        for j in range(len(out)):
            out[j] += (a * one[j] + b * two[j]) + (c * three[j] + d * four[j])
    for u in range(whole, high):
        a, one = values[u], by_rank[u]
        for j in range(len(out)):
            out[j] += a * one[j]
