"""Average precision of Hamming rankings under both tie conventions.

AP@k = mean of the precision at each relevant rank within the first k, over the number of relevant items within the
first k; 0 if there is none.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import digamma, gammaln

Float = npt.NDArray[np.float64]


def in_order(relevant: npt.NDArray[np.bool_]) -> Float:
    """AP [Q] of relevance [Q, k] given in ranked order."""
    hits = relevant.cumsum(axis=1, dtype=np.int32)
    precision = hits / np.arange(1, relevant.shape[1] + 1)
    return _ratio((precision * relevant).sum(axis=1), hits[:, -1])


def expected(counts: npt.NDArray[np.int64], relevant: npt.NDArray[np.int64], k: int | None = None) -> Float:
    """Expectation [Q] of AP@k over a uniformly random order of ties, in closed form.

    counts, relevant: [Q, levels] items and relevant items at each distance, ascending.
    k: ranks looked at; none: all.

    McSherry & Najork (ECIR 2008) for AP over the whole list; a level cut by rank k adds the expectation over how
    many of its relevant items make the cut (hypergeometric).
    """
    before = counts.cumsum(axis=1) - counts
    hits_before = relevant.cumsum(axis=1) - relevant
    if k is None or k >= counts.sum(axis=1).max():
        gain = _level_gain(before, hits_before, counts, relevant).sum(axis=1)
        return _ratio(gain, relevant.sum(axis=1))

    whole = before + counts <= k
    gain = np.where(whole, _level_gain(before, hits_before, counts, relevant), 0.0).sum(axis=1)
    hits = np.where(whole, relevant, 0).sum(axis=1)
    cut = np.minimum((before + counts <= k).sum(axis=1), counts.shape[1] - 1)
    rows = np.arange(len(counts))
    size, good, start = counts[rows, cut], relevant[rows, cut], before[rows, cut]
    taken = np.clip(k - start, 0, size)
    taken[whole[rows, cut]] = 0

    total = np.zeros(len(counts))
    for drawn in range(int(np.minimum(good, taken).max(initial=0)) + 1):
        chance = _hypergeometric(drawn, size, good, taken)
        boundary = _level_gain(start, hits, taken, np.full_like(taken, drawn))
        total += chance * _ratio(gain + boundary, hits + drawn)
    return total


def _level_gain(
    before: npt.NDArray[np.int64],
    hits_before: npt.NDArray[np.int64],
    count: npt.NDArray[np.int64],
    relevant: npt.NDArray[np.int64],
) -> Float:
    """Expected sum of precisions at the relevant ranks of a tied level of `count` items, `relevant` of them good.

    Position p of the level is relevant with chance r/c and then has (p - 1)(r - 1)/(c - 1) relevant ones before it.
    """
    start = before.astype(np.float64)
    share = np.divide(relevant, count, out=np.zeros(start.shape), where=count > 0)
    slope = np.divide(relevant - 1, count - 1, out=np.zeros(start.shape), where=count > 1)
    harmonic = digamma(start + count + 1) - digamma(start + 1)
    return share * ((hits_before + 1) * harmonic + slope * (count - (start + 1) * harmonic))


def _hypergeometric(
    drawn: int, size: npt.NDArray[np.int64], good: npt.NDArray[np.int64], taken: npt.NDArray[np.int64]
) -> Float:
    """Chance that `taken` of `size` items, `good` of them relevant, hold exactly `drawn` relevant ones."""
    possible = (drawn <= good) & (drawn <= taken) & (taken - drawn <= size - good)
    g, t = np.maximum(good, drawn), np.maximum(taken, drawn)
    rest = np.maximum(size - g, t - drawn)
    log_chance = _log_choose(g, drawn) + _log_choose(rest, t - drawn) - _log_choose(g + rest, t)
    return np.where(possible, np.exp(log_chance), 0.0)


def _log_choose(n: npt.NDArray[np.int64], r: npt.NDArray[np.int64] | int) -> Float:
    return gammaln(n + 1.0) - gammaln(np.asarray(r) + 1.0) - gammaln(n - r + 1.0)


def _ratio(numerator: Float, denominator: npt.NDArray[np.integer]) -> Float:
    return np.divide(numerator, denominator, out=np.zeros(len(numerator)), where=denominator > 0)
