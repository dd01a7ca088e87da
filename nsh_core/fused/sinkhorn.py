"""Sinkhorn on levels: scalings of K + 1 source points and n ranks, by one kernel matrix for all anchors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nsh_core.compiled import compiled
from nsh_core.fused.exponentials import exponentials
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


def sinkhorn(
    payload: Floats, by_key: Floats, loss: Floats, anchors: Words, items: Words, bits: int, *rest: Any
) -> None:
    """SortedNCE of some anchors by Sinkhorn; see sorters.sinkhorn for the formulas and sorters.Kernel.

    Anchors whose scalings are no numbers of the payload's precision are worked out in double precision.
    """
    of_anchors(payload, by_key, loss, anchors, items, bits, *rest)
    left = np.flatnonzero(np.isnan(loss))
    if len(left) and payload.dtype != np.float64:
        double = payload[left].astype(np.float64), np.empty((len(left), len(items))), np.empty(len(left))
        of_anchors(*double, anchors[left], items, bits, *rest)
        payload[left], by_key[left], loss[left] = double


@compiled
def of_anchors(
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
    """Scalings have the payload's precision; the loss of an anchor where that does not do is NaN, all else left alone.

    No square of a scaling is taken, which might not be a number of that precision.
    """
    m, first_negative, stop = selection
    temperature, iterations = parameters
    n, kind = len(items), payload.dtype
    to_ranks, to_nodes, at_nodes, by_stretch, by_level, position, real = kernel_matrix(
        n, bits, 0.5, -1.0 / (n - 1), temperature, np.finfo(kind).eps, payload
    )
    size, stretches, levels = len(real), real.shape[1], at_nodes.shape[1]
    distance, level_of_rank = np.empty(n, np.int16), np.empty(n, np.int16)
    count, total, to_level = np.empty(levels, kind), np.empty(levels, kind), np.empty(levels, kind)
    f, h = np.ones((iterations, levels), kind), np.zeros((iterations + 1, size, stretches), kind)
    carried, to_rank = np.empty((size, stretches), kind), np.empty((size, stretches), kind)
    by_out = np.zeros((size, stretches), kind)
    room = np.empty((2 * len(position), levels), kind), np.empty((2 * len(position), stretches), kind)
    from_ranks, tilted, tilted_h = np.zeros(levels, kind), np.zeros(levels, kind), np.zeros((iterations, levels), kind)
    factor, rest, by_payload, to_potential = np.empty(levels), np.empty(levels), np.empty(levels), np.empty(levels)
    # Of a sum over ranks, at any level; with a share for what gradients put on top.
    furthest_exponent, limit = bits / (4 * temperature) + math.log(n), 0.9 * math.log(np.finfo(kind).max)
    climb = 1 / (2 * (n - 1) * temperature)
    ones, out, gradient, by_rank = np.ones(n), np.empty(n), np.empty(n), np.empty(n)
    for i in range(len(anchors)):
        distances(anchors[i], items, distance)
        for u in range(levels):
            count[u] = total[u] = rest[u] = factor[u] = by_payload[u] = 0.0
        for k in range(n):
            count[distance[k]] += 1
            total[distance[k]] += payload[i, k]
        # The potential of the hard transport; levels that nothing occupies at either end are left out of all sums.
        rank, potential, before = 0, 0.0, 0.0
        nearest, furthest = levels, 0
        for u in range(levels):
            if count[u] > 0:
                nearest, furthest = min(nearest, u), u
            for _ in range(int(count[u])):
                key = bits / 2 - u
                potential += (before + key) * climb if rank > 0 else 0.0
                level_of_rank[rank], by_rank[rank], before = u, potential, key
                rank += 1
        low, high = whole_vectors(nearest, furthest + 1)
        # Scalings of ranks are free of a common factor: with this one they are nearest to 1.
        least, most = by_rank.min(), by_rank.max()
        middle = (least + most) / 2
        if (most - least) / 2 + furthest_exponent > limit:
            loss[i] = math.nan
            continue
        for j in range(n):
            by_rank[j] -= middle
        exponentials(by_rank, out)
        fold(by_rank, h[0])
        for step in range(iterations):
            over_ranks(h[step], to_nodes, position, at_nodes, by_stretch, low, high, room, f[step], tilted_h[step])
            scalings = f[step]
            for u in range(levels):
                scalings[u] = 1 / scalings[u]
                to_level[u] = count[u] * scalings[u]
            over_levels(to_level, at_nodes, by_level, to_ranks, low, high, room, h[step + 1])
            for k in range(size):
                scaling, of_rank = h[step + 1, k], real[k]
                for s in range(stretches):
                    scaling[s] = of_rank[s] / scaling[s]
        for u in range(low, high):
            to_level[u] = total[u] * f[-1, u]
        over_levels(to_level, at_nodes, by_level, to_ranks, low, high, room, carried)
        for k in range(size):
            for s in range(stretches):
                to_rank[k, s] = h[-1, k, s] * carried[k, s]
        unfold(to_rank, out)
        loss[i] = nce_of_runs(out, ones, n, m, first_negative, stop, gradient)
        # An item's key moves its own column of the kernel, of which the last scaling sees its payload, all else only
        # its level: the gradient is payload * factor + rest.
        fold(gradient, by_out)
        for k in range(size):
            for s in range(stretches):
                to_rank[k, s] = by_out[k, s] * carried[k, s]
                carried[k, s] = by_out[k, s] * h[-1, k, s]
        over_ranks(carried, to_nodes, position, at_nodes, by_stretch, low, high, room, from_ranks, tilted)
        for u in range(low, high):
            by_payload[u] = f[-1, u] * from_ranks[u]
            factor[u] = f[-1, u] * tilted[u] - f[-1, u] * tilted_h[-1, u] * by_payload[u]
        for step in range(iterations - 1, -1, -1):
            for k in range(size):
                scaling, to = h[step + 1, k], to_rank[k]
                for s in range(stretches):
                    to[s] = -(to[s] * scaling[s]) * scaling[s]
            over_ranks(to_rank, to_nodes, position, at_nodes, by_stretch, low, high, room, from_ranks, tilted)
            scalings, of_h = f[step], tilted_h[step]
            for u in range(levels):
                own = scalings[u] * from_ranks[u]
                rest[u] += scalings[u] * tilted[u] - scalings[u] * of_h[u] * own
                to_level[u] = -(count[u] * own) * scalings[u]
            if step == iterations - 1:
                for u in range(levels):
                    to_level[u] -= total[u] * by_payload[u] * scalings[u]
            over_levels(to_level, at_nodes, by_level, to_ranks, low, high, room, to_rank)
        # Through the potential: a step between two ranks moves with both keys, and all later ranks with it.
        unfold(to_rank, gradient)
        later = 0.0
        for u in range(levels):
            to_potential[u] = 0.0
        for j in range(n - 1, 0, -1):
            later += gradient[j] * by_rank[j]
            to_potential[level_of_rank[j]] += later
            to_potential[level_of_rank[j - 1]] += later
        for u in range(low, high):
            rest[u] += to_potential[u] * climb / max(count[u], 1)
        hand_back(payload[i], by_key[i], distance, levels, factor, rest, by_payload, scales)
