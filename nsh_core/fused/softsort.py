"""SoftSort on levels: weights that decay geometrically with the distance between levels."""

from __future__ import annotations

import math

import numpy as np

from nsh_core.compiled import compiled
from nsh_core.fused.levels import Floats, Words, distances, hand_back, tally
from nsh_core.fused.nce import nce_of_runs


@compiled
def softsort(
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
    """SortedNCE of some anchors by SoftSort; see sorters.softsort for the formulas and fused.Kernel for the rest."""
    m, start, stop = selection
    temperature = parameters[0]
    n = len(items)
    distance, run = np.empty(n, np.int16), np.empty(n, np.int16)
    # One by one: rows of a matrix would be compiled as if their numbers did not lie together.
    count, total, level = np.empty(bits + 1), np.empty(bits + 1), np.empty(bits + 1)
    out, share, a = np.empty(bits + 1), np.empty(bits + 1), np.empty(bits + 1)
    nearer, nearer_total = np.empty(bits + 1), np.empty(bits + 1)
    further, further_total = np.empty(bits + 1), np.empty(bits + 1)
    factor, rest, by_payload = np.empty(bits + 1), np.empty(bits + 1), np.empty(bits + 1)
    decay = np.empty(bits + 1)
    for u in range(bits + 1):
        decay[u] = math.exp(-u / temperature)
    for i in range(len(anchors)):
        distances(anchors[i], items, distance)
        runs = tally(distance, payload[i], count, total, level, run)
        x = y = 0.0
        for u in range(runs):
            if u > 0:
                by = decay[int(level[u] - level[u - 1])]
                x, y = (x + count[u - 1]) * by, (y + total[u - 1]) * by
            nearer[u], nearer_total[u] = x, y
        x = y = 0.0
        for u in range(runs - 1, -1, -1):
            if u < runs - 1:
                by = decay[int(level[u + 1] - level[u])]
                x, y = (x + count[u + 1]) * by, (y + total[u + 1]) * by
            further[u], further_total[u] = x, y
            share[u] = 1.0 / (nearer[u] + count[u] + x)
            out[u] = (nearer_total[u] + total[u] + y) * share[u]
        loss[i] = nce_of_runs(out, count, runs, m, start, stop, a)
        for u in range(runs):
            a[u] *= share[u]
        # What ranks nearer than an item give it, and what those further do: a W, and a W out.
        x = y = 0.0
        for u in range(runs):
            if u > 0:
                by = decay[int(level[u] - level[u - 1])]
                x, y = (x + a[u - 1]) * by, (y + a[u - 1] * out[u - 1]) * by
            by_payload[u], factor[u], rest[u] = x, x, y
        x = y = 0.0
        for u in range(runs - 1, -1, -1):
            if u < runs - 1:
                by = decay[int(level[u + 1] - level[u])]
                x, y = (x + a[u + 1]) * by, (y + a[u + 1] * out[u + 1]) * by
            by_payload[u] += x + a[u]
            factor[u] = (factor[u] - x) / temperature
            of_ranks = a[u] * (nearer_total[u] - further_total[u] - out[u] * (nearer[u] - further[u]))
            rest[u] = (of_ranks / count[u] - rest[u] + y) / temperature
        hand_back(payload[i], by_key[i], run, runs, factor, rest, by_payload, scales)
