"""How many seeds a difference takes."""

from __future__ import annotations

from bisect import bisect_left
from math import isnan

from scipy import special

from study.analysis.crossed import Crossed
from study.analysis.statistics import ALPHA

POWER = 0.8
MOST_SEEDS = 1000
# Of the interval of a difference that the range of seeds comes from.
_CONFIDENCE = 0.8
_MANY = 1e6


def power_of(shift: float, degrees: float, level: float) -> float:
    """Chance that a two-sided t test finds a difference.

    Args:
        shift: The true difference in standard errors, not negative.
        degrees: Of freedom.
        level: Of the test.
    """
    beyond = float(special.stdtrit(degrees, 1 - level / 2))
    far, near = (float(special.nctdtr(degrees, shift, end)) for end in (-beyond, beyond))
    # Tails of a large shift are NaN where they are 0.
    return 1 - (0.0 if isnan(near) and shift > beyond else near) + (0.0 if isnan(far) else far)


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

    def found(count: int, mean: float) -> bool:
        variance = by_seed / count + by_query
        if variance == 0:
            return mean != 0
        # Queries are many, so that what is open is the variance over seeds.
        degrees = (count - 1) * max(1.0, variance * count / by_seed) ** 2 if by_seed > 0 else _MANY
        return power_of(abs(mean) / variance**0.5, min(degrees, _MANY), ALPHA / tests) >= POWER

    def needed(mean: float) -> int | None:
        place = bisect_left(range(2, MOST_SEEDS + 1), True, key=lambda count: found(count, mean))
        return place + 2 if place + 2 <= MOST_SEEDS else None

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
    reach = float(special.ndtri((1 + _CONFIDENCE) / 2)) * (1 + t**2 / (2 * degrees)) ** 0.5
    return max(0.0, t - reach), t + reach
