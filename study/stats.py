"""Statistics of small samples: intervals, paired tests, effect sizes. Pure functions of arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats
from statsmodels.stats.multitest import multipletests

Values = npt.NDArray[np.float64]

CONFIDENCE = 0.95
_RESAMPLES = 9999


@dataclass(frozen=True)
class PairedComparison:
    """Mean of paired differences, its bootstrap interval, an exact or Monte Carlo sign-flip p value, Cohen's d_z."""

    difference: float
    low: float
    high: float
    p: float
    effect_size: float


def bootstrap_interval(values: Values) -> tuple[float, float]:
    """95% bootstrap interval (BCa, Efron 1987) of the mean of values [n]; NaN for n < 2. Deterministic."""
    if len(values) < 2:
        return float("nan"), float("nan")
    # A spread at the level of rounding leaves BCa nothing to estimate its acceleration from.
    if np.ptp(values) <= 1e-12 * max(1.0, float(np.abs(values).max())):
        return float(values.mean()), float(values.mean())
    result = stats.bootstrap(
        (values,),
        np.mean,
        confidence_level=CONFIDENCE,
        n_resamples=_RESAMPLES,
        method="BCa",
        rng=np.random.default_rng(0),
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def compare_paired(values: Values, reference: Values) -> PairedComparison:
    """Compares values [n] with a reference [n], paired by position (seed). n < 2 gives NaN beside the difference.

    p: two-sided sign-flip permutation test of the mean difference, exact up to 2^n <= 9999 flips; with n pairs it
    cannot fall below 2 / 2^n. effect_size: mean difference over the standard deviation of the differences.
    """
    difference = values - reference
    mean = float(difference.mean())
    low, high = bootstrap_interval(difference)
    if len(difference) < 2:
        return PairedComparison(mean, low, high, float("nan"), float("nan"))
    if not difference.any():
        return PairedComparison(0.0, 0.0, 0.0, 1.0, 0.0)
    test = stats.permutation_test(
        (difference,),
        np.mean,
        permutation_type="samples",
        n_resamples=_RESAMPLES,
        vectorized=True,
        rng=np.random.default_rng(0),
    )
    deviation = float(difference.std(ddof=1))
    effect = mean / deviation if deviation > 0 else float(np.copysign(np.inf, mean))
    return PairedComparison(mean, low, high, float(test.pvalue), effect)


def holm(p: Values) -> Values:
    """Holm-adjusted p values [m]; NaN stays NaN and does not count as a test."""
    adjusted = np.full(len(p), np.nan)
    tested = ~np.isnan(p)
    if tested.any():
        adjusted[tested] = multipletests(p[tested], method="holm")[1]
    return adjusted
