"""Statistics held against data of known truth."""

import numpy as np
import pytest
from scipy.stats import norm

from study.analysis.statistics import (
    ALPHA,
    compare_paired,
    holm,
    iqm_with_interval,
    mean_interval,
    probability_of_improvement,
    seeds_needed,
    sign_flip_p,
)

DRAWS = 1000


@pytest.mark.parametrize("n", [5, 10, 20])
@pytest.mark.parametrize("kind", ["normal", "logistic", "uniform"])
def test_intervals_of_the_mean_cover(n, kind):
    values = getattr(np.random.default_rng(n), kind)(0, 1, (DRAWS, n)) - (0.5 if kind == "uniform" else 0)
    covered = [low <= 0 <= high for low, high in map(mean_interval, values)]
    assert 0.93 <= np.mean(covered) <= 0.97


@pytest.mark.parametrize("n", [5, 10, 20])
def test_intervals_of_paired_differences_cover(n):
    rng = np.random.default_rng(10 + n)
    covered = 0
    for _ in range(DRAWS):
        seeds = rng.normal(0, 1, n)
        result = compare_paired(seeds + rng.normal(0.3, 1, n), seeds + rng.normal(0, 0.5, n))
        covered += result.low <= 0.3 <= result.high
    assert 0.93 <= covered / DRAWS <= 0.97


@pytest.mark.slow(4)
@pytest.mark.parametrize("n", [5, 10, 20])
@pytest.mark.parametrize("datasets", [2, 3])
def test_intervals_of_the_interquartile_mean_cover(n, datasets):
    values = np.random.default_rng(20 + n).normal(0, 1, (DRAWS, datasets, n))
    covered = [low <= 0 <= high for _, low, high in (iqm_with_interval(list(own), 1000) for own in values)]
    assert 0.93 <= np.mean(covered) <= 0.97


@pytest.mark.slow(4)
@pytest.mark.parametrize("n", [5, 10])
def test_intervals_of_the_probability_of_improvement_cover(n):
    values = np.random.default_rng(30 + n).normal(0, 1, (DRAWS, 2, 3, n))
    truth = norm.cdf(0.5 / 2**0.5)
    results = [probability_of_improvement(list(own + 0.5), list(other), 1000) for own, other in values]
    assert 0.93 <= np.mean([low <= truth <= high for _, low, high in results]) <= 0.97
    assert np.mean([estimate for estimate, *_ in results]) == pytest.approx(truth, abs=0.01)


@pytest.mark.parametrize("n", [10, 20])
def test_the_family_of_comparisons_with_a_reference_errs_seldom(n):
    rng = np.random.default_rng(40 + n)
    wrong = 0
    for _ in range(DRAWS):
        arms = rng.normal(0, 1, (8, n)) + rng.normal(0, 1, n)
        p = np.array([compare_paired(arm, arms[0]).p for arm in arms[1:]])
        wrong += (holm(p) < ALPHA).any()
    assert wrong / DRAWS <= 0.055


@pytest.mark.parametrize(("effect", "tests"), [(1.0, 1), (0.8, 3), (1.5, 7), (4.0, 7)])
def test_the_advised_number_of_seeds_gives_the_promised_power(effect, tests):
    n = seeds_needed(effect, tests)
    differences = np.random.default_rng(50).normal(effect, 1, (DRAWS, n))
    found = np.mean([sign_flip_p(own) < ALPHA / tests for own in differences])
    assert found >= 0.76
    # Unless fewer could never show anything, fewer seeds would fall short.
    if 2.0 / 2.0 ** (n - 2) < ALPHA / tests:
        assert found <= 0.88


def test_what_no_number_of_seeds_shows():
    assert seeds_needed(0.01, 7) is None
    assert seeds_needed(float("inf"), 1) == 6
