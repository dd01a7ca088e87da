"""How many seeds a difference takes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import stats

from study.analysis.crossed import Crossed
from study.analysis.statistics import ALPHA

POWER = 0.8
MOST_SEEDS = 1000
# Of the interval of a difference that the range of seeds comes from.
_CONFIDENCE = 0.8


def power_of(shift: npt.ArrayLike, degrees: npt.ArrayLike, level: float) -> npt.NDArray[np.float64]:
    """Chance that a two-sided t test finds a difference.

    Args:
        shift: The true difference in standard errors.
        degrees: Of freedom.
        level: Of the test.
    """
    beyond = stats.t.ppf(1 - level / 2, degrees)
    shift = np.abs(shift)
    # The far tail of a large shift is NaN where it is 0.
    return stats.nct.sf(beyond, degrees, shift) + np.nan_to_num(stats.nct.cdf(-beyond, degrees, shift))


def seeds_needed(difference: Crossed, seeds: int, tests: int) -> tuple[int | None, int | None, int | None]:
    """Seeds with which a difference like this is found at level 0.05 / tests with a chance of 80%.

    More seeds take nothing from what the queries leave open.

    Args:
        difference: As estimated from so many seeds.
        seeds: At least 2.
        tests: In the family.

    Returns:
        The seeds if the difference is what it seems, between those if it is at the upper and at the lower end of its
        80% interval; none beyond 1000, where seeds are no answer.
    """
    by_seed = difference.se_seeds**2 * seeds
    by_query = max(difference.se**2 - difference.se_seeds**2, 0.0)
    counts = np.arange(2, MOST_SEEDS + 1)
    variances = by_seed / counts + by_query
    # Queries are many, so that what is open is the variance over seeds.
    degrees = (counts - 1) * (variances / np.maximum(by_seed / counts, 1e-300)) ** 2

    def needed(mean: float) -> int | None:
        if mean == 0:
            return None
        if not variances.any():
            return int(counts[0])
        shifts = abs(mean) / np.sqrt(variances)
        enough = power_of(shifts, np.clip(degrees, counts - 1, 1e6), ALPHA / tests) >= POWER
        return int(counts[enough.argmax()]) if enough.any() else None

    if difference.se == 0:
        return (needed(difference.mean),) * 3
    least, most = shift_interval(abs(difference.mean) / difference.se, difference.degrees)
    return needed(most * difference.se), needed(difference.mean), needed(least * difference.se)


def shift_interval(t: float, degrees: float) -> tuple[float, float]:
    """80% interval of the true difference in standard errors, by the large-sample error of a standardised effect.

    That error is sqrt(1 + t^2 / (2 degrees)) (Hedges & Olkin, Statistical Methods for Meta-Analysis, 1985, ch. 5).

    Args:
        t: Not negative.
        degrees: Of freedom.

    Returns:
        Its ends, the lower one at least 0.
    """
    reach = float(stats.norm.ppf((1 + _CONFIDENCE) / 2)) * (1 + t**2 / (2 * degrees)) ** 0.5
    return max(0.0, t - reach), t + reach
