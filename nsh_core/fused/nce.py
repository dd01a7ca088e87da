"""SortedNCE of a list whose ranks come in runs of equal ones, with its gradient."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from nsh_core.compiled import compiled
from nsh_core.fused.exponentials import exponentials

Floats = npt.NDArray[Any]


@compiled
def nce_of_runs(out: Floats, count: Floats, runs: int, m: int, start: int, stop: int, gradient: Floats) -> float:
    """The loss of an anchor; see losses.sorted_nce.

    Args:
        out: The sorted payload, a value for each run.
        count: How many ranks each run holds.
        runs: How many there are.
        m: The first m ranks attract, 1 <= m.
        start: First rank that repels.
        stop: Behind the last one that does, start < stop.
        gradient: Gets, for each run, the loss's gradient by the value that its ranks share.

    Returns:
        The mean over the positives.
    """
    largest = -math.inf
    before = 0.0
    for u in range(runs):
        after = before + count[u]
        if after > start and before < stop:
            largest = max(largest, out[u])
        before = after
    for u in range(runs):
        gradient[u] = out[u] - largest
    exponentials(gradient[:runs], np.empty(runs))
    total = 0.0
    before = 0.0
    for u in range(runs):
        after = before + count[u]
        gradient[u] *= max(min(after, stop) - max(before, start), 0.0)
        total += gradient[u]
        before = after
    repelled = largest + math.log(total)
    loss = 0.0
    by_repelled = 0.0
    before = 0.0
    positive = 0
    while positive < runs and before < m:
        before += count[positive]
        positive += 1
    before = 0.0
    share = 1.0 / m
    for u in range(positive):
        attracting = min(before + count[u], m) - before
        d = repelled - out[u]
        loss += attracting * (max(d, 0.0) + math.log1p(math.exp(-abs(d))))
        by_repelled += attracting / (1.0 + math.exp(-d))
        before += count[u]
    scale = by_repelled * share / total
    for u in range(runs):
        gradient[u] *= scale
    before = 0.0
    for u in range(positive):
        attracting = min(before + count[u], m) - before
        gradient[u] -= attracting * share / (1.0 + math.exp(out[u] - repelled))
        before += count[u]
    return loss * share
