"""Statistics of few seeds: intervals, paired tests, and what holds across data sets. Pure functions of arrays.

tests/study/analysis/test_simulation.py holds them against data of known truth: coverage, family-wise error, power.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
import numpy.typing as npt
from scipy import special

from study.analysis.seeds import ALPHA

Values = npt.NDArray[np.float64]

_RESAMPLES = 9999
_EXACT_SEEDS = 13


@dataclass(frozen=True)
class PairedComparison:
    """What paired differences show.

    Attributes:
        difference: Their mean.
        low: Lower end of the 95% interval of the mean.
        high: Upper end of that interval.
        p: Of a two-sided sign-flip permutation test, exact or by Monte Carlo.
        effect_size: Cohen's d_z, the mean over the standard deviation of the differences.
    """

    difference: float
    low: float
    high: float
    p: float
    effect_size: float


def mean_interval(values: npt.ArrayLike) -> tuple[float, float]:
    """95% interval of a mean, by Student's t.

    A bootstrap of five seeds covers no more than some 85%: it knows no spread beyond the values it has.

    Args:
        values: [n].

    Returns:
        Its ends; NaN for n < 2.
    """
    sample = np.asarray(values, dtype=float)
    if len(sample) < 2:
        return float("nan"), float("nan")
    mean, error = float(sample.mean()), float(sample.std(ddof=1)) / len(sample) ** 0.5
    reach = quantile(len(sample) - 1) * error
    return mean - reach, mean + reach


@cache
def quantile(degrees: float) -> float:
    """Of Student's t at the upper end of a 95% interval.

    Args:
        degrees: Of freedom.
    """
    return float(special.stdtrit(degrees, 1 - ALPHA / 2))


def compare_paired(values: Values, reference: Values) -> PairedComparison:
    """Compares values with a reference, paired by position (seed).

    p is of the mean difference, see sign_flip_p. An effect without spread is infinite.

    Args:
        values: [n].
        reference: [n].

    Returns:
        The comparison; for n < 2 all but the difference is NaN.
    """
    difference = values - reference
    mean = float(difference.mean())
    low, high = mean_interval(difference)
    if len(difference) < 2:
        return PairedComparison(mean, low, high, float("nan"), float("nan"))
    if not difference.any():
        return PairedComparison(0.0, 0.0, 0.0, 1.0, 0.0)
    deviation = float(difference.std(ddof=1))
    effect = mean / deviation if deviation > 0 else float(np.copysign(np.inf, mean))
    return PairedComparison(mean, low, high, sign_flip_p(difference), effect)


def sign_flip_p(differences: Values) -> float:
    """Share of sign flips of differences whose sum is as far from 0 as theirs, the identity among them.

    Exact up to 13 pairs, beyond with 9999 flips at random. With n pairs it cannot fall below 2 / 2^n.

    Args:
        differences: [n].
    """
    flips = _flips(len(differences)) @ differences
    # Sums that are equal but for rounding count as equal.
    slack = 1e-12 * float(np.abs(differences).sum())
    return float((np.abs(flips) >= abs(differences.sum()) - slack).mean())


@cache
def _flips(n: int) -> Values:
    """Signs [flips, n]: all of them, or the identity and 9999 at random."""
    if n <= _EXACT_SEEDS:
        bits = np.arange(2**n)[:, None] >> np.arange(n)
        return np.where(bits & 1, -1.0, 1.0)
    random = np.random.default_rng(0).choice([-1.0, 1.0], size=(_RESAMPLES, n))
    return np.vstack([np.ones(n), random])


def holm(p: Values) -> Values:
    """Holm-adjusted p values [m].

    Args:
        p: [m]; NaN stays NaN and does not count as a test.
    """
    adjusted = np.full(len(p), np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    steps = p[order] * (len(order) - np.arange(len(order)))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return adjusted


def interquartile_mean(scores: Values) -> Values:
    """Mean of the middle half (Agarwal et al. 2021).

    Args:
        scores: [..., n].

    Returns:
        Means [...].
    """
    count = scores.shape[-1]
    cut = count // 4
    return np.partition(scores, (cut, count - cut - 1), axis=-1)[..., cut : count - cut].mean(axis=-1)


def skewness(values: Values) -> float:
    """G1, the skewness of a sample, corrected for its size; NaN where rounding is all that varies.

    Args:
        values: [n], n >= 3.
    """
    count, mean = len(values), values.mean()
    apart = values - mean
    second, third = (apart**2).mean(), (apart**2 * apart).mean()
    if second <= (np.finfo(float).eps * mean) ** 2:
        return float("nan")
    return float(((count - 1.0) * count) ** 0.5 / (count - 2.0) * third / second**1.5)


def iqm_with_interval(scores: Sequence[Values], resamples: int = _RESAMPLES) -> tuple[float, float, float]:
    """Interquartile mean over all runs of all data sets, and its 95% interval. Runs are resampled within each.

    Args:
        scores: The runs of each data set, normalised so that data sets can be compared.
        resamples: Of the bootstrap.

    Returns:
        The mean and the ends of its interval; NaN for these where no data set has two runs.
    """
    resampled = np.concatenate([_resampled(own, resamples, place) for place, own in enumerate(scores)], axis=1)
    estimate = float(interquartile_mean(np.concatenate(scores)))
    return estimate, *_expanded(interquartile_mean(resampled), [len(own) for own in scores])


def probability_of_improvement(
    scores: Sequence[Values], others: Sequence[Values], resamples: int = _RESAMPLES
) -> tuple[float, float, float]:
    """Chance that a run scores above a run of the other arm on the same data set, mean over data sets.

    Ties count half (the Mann-Whitney U over its largest value; Agarwal et al. 2021). Runs are resampled within each.

    Args:
        scores: The runs of each data set.
        others: Those of the other arm.
        resamples: Of the bootstrap.

    Returns:
        The chance and the ends of its 95% interval; NaN for these where no data set has two runs of both.
    """
    chances, estimate = np.zeros(resamples), 0.0
    for place, (own, other) in enumerate(zip(scores, others, strict=True)):
        estimate += float(_above(own[None], other[None])[0])
        chances += _above(_resampled(own, resamples, place), _resampled(other, resamples, -1 - place))
    sizes = [min(len(own), len(other)) for own, other in zip(scores, others, strict=True)]
    low, high = _expanded(chances / len(scores), sizes)
    return estimate / len(scores), low, high


def _above(own: Values, other: Values) -> Values:
    """For each row of own [R, n] and other [R, m] the share of pairs in which own is larger, ties half."""
    difference = own[:, :, None] - other[:, None, :]
    return ((difference > 0) + 0.5 * (difference == 0)).mean(axis=(1, 2))


def _resampled(values: Values, resamples: int, stream: int) -> Values:
    return values[_picks(len(values), resamples, stream)]


@lru_cache(maxsize=64)
def _picks(count: int, resamples: int, stream: int) -> npt.NDArray[np.int64]:
    """Which of so many values each resample takes."""
    return np.random.default_rng([stream + 1000]).integers(0, count, (resamples, count))


def _expanded(statistics: Values, sizes: Sequence[int]) -> tuple[float, float]:
    """Percentile interval of resampled statistics, with quantiles moved out for small strata (Hesterberg 2015).

    A bootstrap of n values has only (n - 1) / n of their variance, and knows nothing of the doubt about it, which
    Student's t adds; sizes: runs of each stratum.
    """
    degrees = sum(size - 1 for size in sizes)
    if degrees < 1:
        return float("nan"), float("nan")
    narrow = np.mean([(size - 1) / size for size in sizes])
    tail = float(special.ndtr(-quantile(degrees) / narrow**0.5))
    low, high = np.quantile(statistics, [tail, 1 - tail])
    return float(low), float(high)


def expected_best(values: npt.ArrayLike) -> tuple[Values, Values]:
    """Best validation value expected of b trials, drawn with replacement from B trials.

    Dodge et al. 2019, Show Your Work, eq. 6.

    Args:
        values: Of all trials [B].

    Returns:
        The expected best for b = 1..B [B], and its standard deviation [B].
    """
    ordered = np.sort(np.asarray(values, dtype=float))
    count = len(ordered)
    budgets = np.arange(1, count + 1)[:, None]
    below_or_at = (np.arange(1, count + 1) / count) ** budgets
    chance = np.diff(below_or_at, axis=1, prepend=0.0)
    mean = chance @ ordered
    return mean, np.sqrt(np.maximum(chance @ ordered**2 - mean**2, 0.0))
