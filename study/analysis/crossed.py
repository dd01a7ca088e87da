"""Means over seeds and queries, both of them a sample: two-way crossed variance components.

A value of seed s and query q is taken as mu + a_s + b_q + e_sq, all three of mean 0. With v_S and v_Q the variances of
the mean that seed means and query means show by themselves, which both hold that of e once, the variance of the mean is
v_S + v_Q - v_E (Searle, Casella & McCulloch, Variance Components, 1992, ch. 5).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from study.analysis.statistics import quantile

Values = npt.NDArray[np.float64]

# Of a mean, what its error is by rounding alone.
_NOTHING = 1e-9
# Above, the largest of all pairs is drawn in another way.
_MANY_ARMS, _MANY_RUNS = 200, 20_000


@dataclass(frozen=True)
class Crossed:
    """A mean over S seeds and Q queries.

    Attributes:
        mean: Over both.
        se_seeds: Standard error over seeds, of these queries; NaN for a single seed.
        se_queries: Standard error over queries, of these seeds; NaN where queries are not known one by one.
        se: Standard error over seeds and queries; over seeds alone where queries are not known.
        degrees: Of Student's t for `se` (Satterthwaite).
    """

    mean: float
    se_seeds: float
    se_queries: float
    se: float
    degrees: float

    def interval(self) -> tuple[float, float]:
        """95% interval of the mean over seeds and queries by Student's t; NaN for a single seed."""
        reach = quantile(self.degrees) * self.se if self.se > 0 else self.se
        return self.mean - reach, self.mean + reach

    @property
    def p(self) -> float:
        """Of a two-sided t test of a mean of 0; NaN where nothing varies, so that there is no test."""
        if self.se <= _NOTHING * abs(self.mean):
            return 1.0 if self.mean == 0 else float("nan")
        return float(2 * special.stdtr(self.degrees, -abs(self.mean) / self.se))


def crossed(values: npt.ArrayLike) -> Crossed:
    """The mean of values over seeds and queries with its uncertainty.

    Args:
        values: [S, Q], or [S] where queries are not known one by one.
    """
    table = np.asarray(values, dtype=float)
    by_seed = table if table.ndim == 1 else table.mean(axis=1)
    seeds = len(by_seed)
    mean = float(by_seed.mean())
    v_seeds = float(by_seed.var(ddof=1)) / seeds if seeds > 1 else float("nan")
    if table.ndim == 1 or table.shape[1] < 2:
        return Crossed(mean, v_seeds**0.5, float("nan"), v_seeds**0.5, seeds - 1)
    by_query = table.mean(axis=0)
    queries = len(by_query)
    v_queries = float(by_query.var(ddof=1)) / queries
    if seeds < 2:
        return Crossed(mean, float("nan"), v_queries**0.5, float("nan"), 0)
    rest = table - by_seed[:, None] - by_query + mean
    v_rest = float((rest**2).sum()) / ((seeds - 1) * (queries - 1)) / (seeds * queries)
    # Less than what one of the two alone shows is a matter of chance.
    variance = max(v_seeds + v_queries - v_rest, v_seeds, v_queries)
    parts = v_seeds**2 / (seeds - 1) + v_queries**2 / (queries - 1)
    degrees = variance**2 / parts if parts > 0 else seeds - 1
    return Crossed(mean, v_seeds**0.5, v_queries**0.5, variance**0.5, max(degrees, seeds - 1))


def chosen_p(values: Values, chosen: int, draws: int = 4000) -> Values:
    """How far each arm is from one that was chosen for being the best, adjusted for the choice.

    The chosen arm may be any: the family holds every pair; see pairs_p.

    Args:
        values: [A, S, Q] of A arms on the same S seeds and Q queries, or [A, S].
        chosen: Place of the chosen arm.
        draws: Of the bootstrap; a quarter of them for more than 200 arms, or 20,000 runs.

    Returns:
        p values [A], 1 for the chosen one; NaN for a single seed.
    """
    return _p(values, [chosen], draws)[0]


def pairs_p(values: Values, draws: int = 4000) -> Values:
    """How far all arms are from one another, adjusted for the number of pairs.

    The largest |t| of all pairs of arms, seeds and queries both samples, is drawn under equal means by a parametric
    bootstrap; the p of a pair is the share of draws above its own |t|. Seeds are drawn from a normal distribution of
    each arm's own spread around the seed's common level, queries from their covariance; the variances of pairs are
    estimated anew in each draw, as in the data.

    Args:
        values: [A, S, Q] of A arms on the same S seeds and Q queries, or [A, S].
        draws: Of the bootstrap; a quarter of them for more than 200 arms, or 20,000 runs.

    Returns:
        p values [A, A], 1 on the diagonal; NaN for a single seed.
    """
    return _p(values, range(len(values)), draws)


def _p(values: Values, chosen: Sequence[int], draws: int) -> Values:
    """The p values [C, A] of some arms against all."""
    by_seed = values if values.ndim == 2 else values.mean(axis=2)
    arms, seeds = by_seed.shape
    if seeds < 2:
        return np.full((len(chosen), arms), np.nan)
    means = by_seed.mean(axis=1)
    by_query, noise, count = _query_covariances(values)
    rest = by_seed - by_seed.mean(axis=0) - means[:, None] + means.mean()
    # What is left of A arms around a common level has (A - 1) / A of its variance.
    spread = np.sqrt((rest**2).sum(axis=1) / (seeds - 1) * arms / (arms - 1))
    v_queries, v_rest = _of_pairs(by_query), _of_pairs(noise)
    rng, root = np.random.default_rng(0), _root(by_query - noise)
    if arms > _MANY_ARMS or arms * seeds > _MANY_RUNS:
        # One draw after another, and fewer: all at once would take gigabytes, and each pair by itself hours.
        largest, pairs = np.zeros(draws // 4), np.triu_indices(arms, 1)
        for place in range(len(largest)):
            drawn = rng.normal(size=(arms, seeds)) * spread[:, None]
            levels = drawn.mean(axis=1) + root @ rng.normal(size=arms)
            estimated = v_queries[pairs] * rng.chisquare(count - 1, len(pairs[0])) / (count - 1)
            variance = _of_pairs(np.cov(drawn))[pairs] / seeds + np.maximum(estimated - v_rest[pairs], 0)
            largest[place] = _ratio(levels[pairs[0]] - levels[pairs[1]], variance).max()
    else:
        largest = np.zeros(draws)
        drawn = rng.normal(size=(draws, arms, seeds)) * spread[:, None]
        levels = drawn.mean(axis=2) + rng.normal(size=(draws, arms)) @ root.T
        for a, b in zip(*np.triu_indices(arms, 1), strict=True):
            estimated = v_queries[a, b] * rng.chisquare(count - 1, draws) / (count - 1)
            variance = (drawn[:, a] - drawn[:, b]).var(axis=1, ddof=1) / seeds + np.maximum(estimated - v_rest[a, b], 0)
            np.maximum(largest, _ratio(levels[:, a] - levels[:, b], variance), out=largest)
    found = np.empty((len(chosen), arms))
    for row, one in zip(found, chosen, strict=True):
        own = (by_seed - by_seed[one]).var(axis=1, ddof=1) / seeds
        observed = _ratio(means - means[one], own + np.maximum(v_queries[one] - v_rest[one], 0))
        row[:] = (1 + (largest[:, None] >= observed).sum(axis=0)) / (1 + len(largest))
    return found


def _of_pairs(covariance: Values) -> Values:
    """Variances [A, A] of the differences of all pairs, from the covariance [A, A]."""
    own = covariance.diagonal()
    return own[:, None] + own - 2 * covariance


def _ratio(difference: npt.ArrayLike, variance: npt.ArrayLike) -> Values:
    """|t|; 0 of equal means, infinite of others without any variance."""
    size = np.abs(np.asarray(difference, dtype=float))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num(size / np.sqrt(variance), nan=0.0, posinf=np.inf)


def _query_covariances(values: Values) -> tuple[Values, Values, int]:
    """Covariance [A, A] of arm means that query means show, the part of it that is e_sq's, and how many queries."""
    if values.ndim == 2:
        nothing = np.zeros((len(values), len(values)))
        return nothing, nothing, 2
    _, seeds, queries = values.shape
    by_query = values.mean(axis=1)
    rest = values - values.mean(axis=2, keepdims=True) - by_query[:, None] + values.mean(axis=(1, 2), keepdims=True)
    flat = rest.reshape(len(rest), -1)
    noise = flat @ flat.T / ((seeds - 1) * (queries - 1)) / seeds
    return np.cov(by_query) / queries, noise / queries, queries


def _root(covariance: Values) -> Values:
    """A matrix whose product with its transpose is a covariance, negative eigenvalues cut off."""
    sizes, directions = np.linalg.eigh(covariance)
    return directions * np.sqrt(np.maximum(sizes, 0.0))
