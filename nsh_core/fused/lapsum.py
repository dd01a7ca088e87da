"""LapSum on levels: thresholds in closed form between neighbouring levels, nothing iterated."""

from __future__ import annotations

import math

import numpy as np

from nsh_core.compiled import compiled
from nsh_core.fused.levels import Floats, Words, distances, hand_back, tally
from nsh_core.fused.nce import nce_of_runs


@compiled
def lapsum(
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
    """SortedNCE of some anchors by LapSum; see sorters.lapsum for the formulas and sorters.Kernel.

    Gap g lies between the occupied levels g - 1 and g. Sums that decay are those of values at levels up to g - 1, as
    seen from there (`near`), and of values at levels from g on (`far`).
    """
    m, first_negative, stop = selection
    temperature = parameters[0]
    n, levels = len(items), bits + 1
    distance, run = np.empty(n, np.int16), np.empty(n, np.int16)
    count, total, level = np.empty(levels), np.empty(levels), np.empty(levels)
    near, near_total = np.empty(levels + 1), np.empty(levels + 1)
    far, far_total, decay = np.empty(levels + 1), np.empty(levels + 1), np.empty(levels + 1)
    whole, whole_total = np.empty(levels + 1), np.empty(levels + 1)
    # Sums over the thresholds of a gap: of what each hands on, by its share of the level above it and of that below.
    upper, lower, later = np.empty(levels + 1), np.empty(levels + 1), np.empty(levels + 1)
    upper_mean, lower_mean = np.empty(levels + 1), np.empty(levels + 1)
    gap, ones, out, by_rank = np.empty(n, np.int16), np.ones(n), np.empty(n), np.empty(n)
    above, below, mean = np.empty(n), np.empty(n), np.empty(n)
    for i in range(len(anchors)):
        distances(anchors[i], items, distance)
        runs = tally(distance, payload[i], count, total, level, run)
        near[0] = near_total[0] = whole[0] = whole_total[0] = decay[0] = decay[runs] = 0.0
        for u in range(runs):
            decay[u] = math.exp((level[u - 1] - level[u]) / temperature) if u > 0 else 0.0
            near[u + 1] = near[u] * decay[u] + count[u]
            near_total[u + 1] = near_total[u] * decay[u] + total[u]
            whole[u + 1], whole_total[u + 1] = whole[u] + count[u], whole_total[u] + total[u]
        far[runs] = far_total[runs] = 0.0
        for u in range(runs - 1, -1, -1):
            far[u] = far[u + 1] * decay[u + 1] + count[u]
            far_total[u] = far_total[u + 1] * decay[u + 1] + total[u]
        g = 0
        before = 0.0
        for j in range(n - 1):
            rank = j + 1.0
            # What is above level g; the threshold lies beyond it while that is no more than its rank.
            while g < runs and whole[g + 1] - 0.5 * near[g + 1] + 0.5 * decay[g + 1] * far[g + 1] <= rank:
                g += 1
            a = whole[g] - rank
            q = decay[g]
            larger = abs(a) + math.sqrt(a * a + q * near[g] * far[g])
            if a > 0:
                x = larger / near[g]
                y = q / x
            elif a < 0:
                y = larger / far[g]
                x = q / y
            else:
                x = math.sqrt(q * far[g] / near[g])
                y = math.sqrt(q * near[g] / far[g])
            gap[j], above[j], below[j] = g, x, y
            of_above, of_below = near_total[g] * x, far_total[g] * y
            beyond = whole_total[g] - 0.5 * of_above + 0.5 * of_below
            out[j] = beyond - before
            before = beyond
            mass = near[g] * x + far[g] * y
            mean[j] = (of_above + of_below) / mass if mass > 0 else 0.0
        out[n - 1] = whole_total[runs] - before
        loss[i] = nce_of_runs(out, ones, n, m, first_negative, stop, by_rank)
        for u in range(runs + 1):
            upper[u] = lower[u] = later[u] = upper_mean[u] = lower_mean[u] = 0.0
        for j in range(n - 1):
            g = gap[j]
            to = by_rank[j] - by_rank[j + 1]
            later[g] += to
            upper[g] += to * above[j]
            lower[g] += to * below[j]
            upper_mean[g] += to * mean[j] * above[j]
            lower_mean[g] += to * mean[j] * below[j]
        # What thresholds further than a level hand it decays towards it, as does what nearer ones do.
        x = y = z = 0.0
        for u in range(runs - 1, -1, -1):
            x = x * decay[u + 1] + upper[u + 1]
            y = y * decay[u + 1] + upper_mean[u + 1]
            z += later[u + 1]
            upper[u + 1], upper_mean[u + 1], later[u + 1] = x, y, z
        x = y = 0.0
        for u in range(runs):
            x = x * decay[u] + lower[u]
            y = y * decay[u] + lower_mean[u]
            lower[u], lower_mean[u] = x, y
        last = by_rank[n - 1]
        for u in range(runs):
            later[u + 1] = last + later[u + 1] - 0.5 * upper[u + 1] + 0.5 * lower[u]
            upper[u + 1] = 0.5 * (upper[u + 1] + lower[u]) / temperature
            upper_mean[u + 1] = -0.5 * (upper_mean[u + 1] + lower_mean[u]) / temperature
        hand_back(payload[i], by_key[i], run, runs, upper[1:], upper_mean[1:], later[1:], scales)
