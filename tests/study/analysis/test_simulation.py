"""Statistics held against data of known truth."""

import numpy as np
import pytest
from scipy.stats import norm
from statsmodels.stats.power import TTestPower

from study.analysis.crossed import Crossed, chosen_p, crossed
from study.analysis.power import seeds_needed
from study.analysis.statistics import (
    ALPHA,
    compare_paired,
    holm,
    iqm_with_interval,
    mean_interval,
    probability_of_improvement,
)
from tests.study.analysis.simulations import family_error

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


@pytest.mark.parametrize("n", [3, 5, 10, 20])
def test_the_family_of_comparisons_with_a_reference_errs_seldom(n):
    rng = np.random.default_rng(40 + n)
    wrong = 0
    for _ in range(DRAWS):
        arms = rng.normal(0, 1, (8, n)) + rng.normal(0, 1, n)
        wrong += (holm(np.array([crossed(arm - arms[0]).p for arm in arms[1:]])) < ALPHA).any()
    assert wrong / DRAWS <= 0.055


@pytest.mark.slow(4)
@pytest.mark.parametrize("n", [3, 10])
@pytest.mark.parametrize(
    ("kind", "errs"),
    [
        ("skewed", 0.055),
        ("heavy-tailed", 0.055),
        ("unequal spread", 0.06),
        ("collapsing", 0.055),
        ("tied", 0.06),
        # What does not hold; docs/statistics.md says so, and reports do where seeds are skewed.
        ("skewed against tight", 0.3),
    ],
)
def test_what_real_trials_look_like_makes_the_family_err_no_more_than_is_said(kind, errs, n):
    wrong = family_error(kind, n, 500)
    assert wrong <= errs
    if kind == "skewed against tight" and n == 10:
        assert wrong > 0.15


@pytest.mark.parametrize("n", [5, 10, 20])
@pytest.mark.parametrize(("of_seeds", "of_queries", "rest"), [(0.01, 0.25, 0.15), (0.05, 0.1, 0.3), (0.03, 0.0, 0.2)])
def test_intervals_over_seeds_and_queries_cover_seeds_and_queries_drawn_anew(n, of_seeds, of_queries, rest):
    rng = np.random.default_rng(60 + n)
    covered, by_seed = 0, 0
    for _ in range(DRAWS):
        table = rng.normal(0, of_seeds, (n, 1)) + rng.normal(0, of_queries, 150) + rng.normal(0, rest, (n, 150))
        low, high = crossed(table).interval()
        covered += low <= 0 <= high
        low, high = mean_interval(table.mean(axis=1))
        by_seed += low <= 0 <= high
    assert 0.93 <= covered / DRAWS <= 0.985
    # What an interval over seeds alone leaves out.
    if of_queries > 0.2:
        assert by_seed / DRAWS < 0.7


@pytest.mark.slow(4)
@pytest.mark.parametrize("n", [5, 10, 20])
@pytest.mark.parametrize("arms", [8, 12])
def test_an_equal_arm_is_seldom_called_worse_than_the_chosen_best(arms, n):
    rng = np.random.default_rng(70 + n)
    columns, wrong, by_pairs = 400, 0, 0
    for _ in range(columns):
        test = rng.normal(0, 1, (arms, n)) + rng.normal(0, 1, n)
        validation = 0.92 * test + (1 - 0.92**2) ** 0.5 * rng.normal(0, 2**0.5, (arms, n))
        best = int(validation.mean(axis=1).argmax())
        wrong += (chosen_p(test, best, draws=500) < ALPHA).any()
        by_pairs += any(mean_interval(test[best] - other)[0] > 0 for other in test)
    assert wrong / columns <= 0.055
    # What an interval of each pair by itself would mark.
    assert by_pairs / columns > 0.3


@pytest.mark.slow(4)
@pytest.mark.parametrize(("arms", "n"), [(8, 3), (8, 10)])
def test_queries_do_not_make_an_equal_arm_worse(arms, n):
    rng = np.random.default_rng(80 + n)
    columns, wrong = 300, 0
    for _ in range(columns):
        table = rng.normal(0, 0.01, (arms, n, 1)) + rng.normal(0, 0.05, (arms, 1, 100)) + rng.normal(0, 0.25, 100)
        table = table + rng.normal(0, 0.15, (arms, n, 100))
        best = int(table.mean(axis=(1, 2)).argmax())
        wrong += (chosen_p(table, best, draws=500) < ALPHA).any()
    assert wrong / columns <= 0.055


def test_a_worse_arm_is_found():
    rng = np.random.default_rng(90)
    table = rng.normal(0, 1, (8, 10)) + rng.normal(0, 1, 10)
    table[7] -= 4
    p = chosen_p(table, int(table.mean(axis=1).argmax()))
    assert p[7] < 0.001
    assert (p[:7] > ALPHA).all()


@pytest.mark.parametrize(("effect", "tests"), [(1.0, 1), (0.8, 3), (1.5, 7), (4.0, 7), (2.0, 1)])
def test_the_advised_number_of_seeds_gives_the_promised_power(effect, tests):
    least, n, most = seeds_needed(of_seeds(effect, 10), 10, tests)
    assert least <= n
    assert most is None or n <= most
    powers = []
    for seeds in (n, n - 1):
        differences = np.random.default_rng(50).normal(effect, 1, (DRAWS, seeds))
        powers.append(np.mean([crossed(own).p < ALPHA / tests for own in differences]) if seeds > 1 else 0)
    assert powers[0] >= 0.77
    assert powers[1] <= 0.83


def of_seeds(effect: float, seeds: int) -> Crossed:
    """A difference of that d_z, found with so many seeds."""
    return Crossed(effect, seeds**-0.5, float("nan"), seeds**-0.5, seeds - 1)


def test_the_advised_number_of_seeds_is_a_librarys():
    for effect in (0.5, 0.8, 1.0, 2.0, 4.0):
        expected = TTestPower().solve_power(effect_size=effect, power=0.8, alpha=0.05)
        assert seeds_needed(of_seeds(effect, 10), 10, 1)[1] == np.ceil(expected)


def test_what_no_number_of_seeds_shows():
    assert seeds_needed(of_seeds(0.01, 10), 10, 7)[1] is None
    # Queries leave more open than there is between the two, whatever the seeds.
    assert seeds_needed(Crossed(0.01, 0.001, 0.02, 0.02, 20.0), 10, 1)[1] is None
    assert seeds_needed(Crossed(0.1, 0.0, float("nan"), 0.0, 9), 10, 1) == (2, 2, 2)
