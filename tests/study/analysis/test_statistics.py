import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from statsmodels.stats.multitest import multipletests

from study.analysis.crossed import crossed
from study.analysis.statistics import (
    compare_paired,
    expected_best,
    holm,
    interquartile_mean,
    mean_interval,
    quantile,
    sign_flip_p,
    skewness,
)


def test_the_interval_is_students():
    values = np.random.default_rng(0).normal(0.7, 0.02, 8)
    student = scipy_stats.t.interval(0.95, 7, values.mean(), scipy_stats.sem(values))
    assert mean_interval(values) == pytest.approx(student)


def test_degenerate_samples():
    assert np.isnan(mean_interval([0.5])).all()
    assert mean_interval([0.1, 0.1, 0.1]) == pytest.approx((0.1, 0.1))
    same = compare_paired(np.array([0.1, 0.2]), np.array([0.1, 0.2]))
    assert (same.difference, same.p, same.effect_size) == (0, 1, 0)
    single = compare_paired(np.array([0.3]), np.array([0.1]))
    assert single.difference == pytest.approx(0.2)
    assert np.isnan([single.low, single.p, single.effect_size]).all()


@given(st.lists(st.integers(-64, 64), min_size=2, max_size=7))
@settings(max_examples=30, deadline=None)
def test_p_is_the_share_of_sign_flips_as_extreme(differences):
    values = np.array(differences) / 64  # sums without rounding, so that ties are ties
    flips = [abs(np.mean(values * signs)) for signs in itertools.product((-1, 1), repeat=len(values))]
    exact = np.mean([flip >= abs(values.mean()) - 1e-12 for flip in flips])
    assert compare_paired(values, np.zeros(len(values))).p == pytest.approx(exact)


def test_effect_size_is_cohens_d_of_the_differences():
    values, reference = np.array([0.5, 0.7, 0.6]), np.array([0.4, 0.4, 0.5])
    difference = values - reference
    assert compare_paired(values, reference).effect_size == pytest.approx(difference.mean() / difference.std(ddof=1))


def test_holm_by_hand_and_around_missing_values():
    np.testing.assert_allclose(holm(np.array([0.01, np.nan, 0.04, 0.03])), [0.03, np.nan, 0.06, 0.06])
    assert np.isnan(holm(np.array([np.nan]))).all()


def test_holm_equals_that_of_a_library():
    p = np.random.default_rng(0).random((5, 6)) ** 3
    for row in p:
        np.testing.assert_allclose(holm(row), multipletests(row, method="holm")[1])


def test_sign_flips_of_many_pairs_are_sampled():
    values = np.random.default_rng(1).normal(0.6, 1, 15)
    flips = np.where(np.arange(2**15)[:, None] >> np.arange(15) & 1, -1.0, 1.0)
    exact = np.mean(np.abs(flips @ values) >= abs(values.sum()) - 1e-12)
    assert sign_flip_p(values) == pytest.approx(exact, abs=0.01)


@given(st.integers(0, 2**32 - 1), st.integers(5, 40), st.sampled_from([1e-6, 1.0, 1e6]))
@settings(max_examples=60, deadline=None)
def test_what_spares_the_import_of_scipys_statistics_is_theirs_to_the_last_bit(seed, count, spread):
    scores = np.random.default_rng(seed).normal(0.7, spread, (3, count))
    assert skewness(scores[0]) == scipy_stats.skew(scores[0], bias=False)
    assert interquartile_mean(scores).tolist() == scipy_stats.trim_mean(scores, 0.25, axis=-1).tolist()
    assert quantile(count / 3) == scipy_stats.t.ppf(0.975, count / 3)
    found = crossed(scores)
    assert found.p == 2 * scipy_stats.t.sf(abs(found.mean) / found.se, found.degrees)


def test_the_skewness_of_what_rounding_alone_varies_is_none():
    assert np.isnan(skewness(np.array([1.0, 1.0, 1.0, 1.0, np.nextafter(1.0, 2.0)])))


def test_the_interquartile_mean_leaves_out_both_quarters():
    assert interquartile_mean(np.array([100.0, 1, 2, 3, 4, 5, 6, -100])) == pytest.approx(3.5)


def test_the_expected_best_is_the_mean_over_draws_with_replacement():
    values = [0.3, 0.1, 0.5]
    mean, deviation = expected_best(values)
    for budget in (1, 2, 3):
        bests = [max(draw) for draw in itertools.product(values, repeat=budget)]
        assert mean[budget - 1] == pytest.approx(np.mean(bests))
        assert deviation[budget - 1] == pytest.approx(np.std(bests))
