import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from study.stats import bootstrap_interval, compare_paired, holm


def test_intervals_hold_the_mean_and_shrink_with_more_values():
    rng = np.random.default_rng(0)
    widths = []
    for count in (5, 20, 80):
        values = rng.normal(0.7, 0.02, count)
        low, high = bootstrap_interval(values)
        assert low < values.mean() < high
        widths.append(high - low)
    assert widths[1] > widths[2]
    student = scipy_stats.t.interval(0.95, 79, values.mean(), scipy_stats.sem(values))
    assert (low, high) == pytest.approx(student, abs=0.0006)


def test_degenerate_samples():
    assert np.isnan(bootstrap_interval(np.array([0.5]))).all()
    assert bootstrap_interval(np.array([0.1, 0.1, 0.1])) == pytest.approx((0.1, 0.1))
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
