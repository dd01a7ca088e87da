"""Average precision expected over random order of ties.

AP@k = mean of the precision at each relevant rank within the first k, over the number of relevant items within the
first k; 0 if there is none.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nsh_core.compiled import compiled

Float = npt.NDArray[np.float64]


def harmonic_numbers(n: int) -> Float:
    """1 + 1/2 + ... + 1/i for i = 0..n."""
    return np.concatenate([[0.0], np.cumsum(1 / np.arange(1, n + 1, dtype=np.longdouble)).astype(np.float64)])


@compiled
def expected(counts: npt.NDArray[np.int64], relevant: npt.NDArray[np.int64], k: int, harmonic: Float) -> Float:
    """Expectation of AP@k over a uniformly random order of ties, in closed form.

    McSherry & Najork (ECIR 2008) for AP over the whole list; a level cut by rank k adds the expectation over how
    many of its relevant items make the cut (hypergeometric).

    Args:
        counts: [Q, levels] items at each distance, ascending.
        relevant: [Q, levels] relevant items at each distance.
        k: Ranks looked at.
        harmonic: harmonic_numbers of at least the size of the database.

    Returns:
        [Q], in [0, 1].
    """
    result = np.zeros(len(counts))
    for q in range(len(counts)):
        before, hits, gain = 0, 0, 0.0
        for level in range(counts.shape[1]):
            size, good = counts[q, level], relevant[q, level]
            if before + size <= k:
                gain += _level_gain(before, hits, size, good, harmonic)
                before += size
                hits += good
                continue
            taken = k - before
            least, most = max(0, taken - (size - good)), min(good, taken)
            # The hypergeometric distribution, by its ratios from the mode, which is safe from underflow, outwards.
            mode = min(max((taken + 1) * (good + 1) // (size + 2), least), most)
            mean, total = 0.0, 0.0
            for step in (1, -1):
                chance, drawn = 1.0, mode
                while least <= drawn <= most and chance > 0:
                    if step == 1 or drawn != mode:
                        total += chance
                        if hits + drawn > 0:
                            value = gain + _level_gain(before, hits, taken, drawn, harmonic)
                            mean += chance * value / (hits + drawn)
                    if step == 1:
                        chance *= (good - drawn) * (taken - drawn) / ((drawn + 1) * (size - good - taken + drawn + 1))
                    else:
                        chance *= drawn * (size - good - taken + drawn) / ((good - drawn + 1) * (taken - drawn + 1))
                    drawn += step
            result[q] = mean / total
            break
        else:
            if hits > 0:
                result[q] = gain / hits
    return result


@compiled
def _level_gain(before: int, hits: int, count: int, relevant: int, harmonic: Float) -> float:
    """Expected sum of precisions at the relevant ranks of a tied level of `count` items, `relevant` of them good.

    Position p of the level is relevant with chance r/c and then has (p - 1)(r - 1)/(c - 1) relevant ones before it.
    """
    if relevant == 0:
        return 0.0
    slope = (relevant - 1) / (count - 1) if count > 1 else 0.0
    reciprocals = harmonic[before + count] - harmonic[before]
    return relevant / count * ((hits + 1) * reciprocals + slope * (count - (before + 1) * reciprocals))
