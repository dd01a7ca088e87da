import numpy as np
import pytest
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from study.analysis.crossed import chosen_p, crossed


def table(seeds: int = 6, queries: int = 9) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(0, 0.3, (seeds, 1)) + rng.normal(0, 0.5, queries) + rng.normal(0.2, 1, (seeds, queries))


def test_the_standard_error_is_that_of_an_analysis_of_variance():
    values = table()
    seed, query = (axis.ravel() for axis in np.indices(values.shape))
    squares = anova_lm(ols("y ~ C(s) + C(q)", {"y": values.ravel(), "s": seed, "q": query}).fit()).mean_sq
    expected = (squares["C(s)"] + squares["C(q)"] - squares["Residual"]) / values.size
    estimate = crossed(values)
    assert estimate.se**2 == pytest.approx(expected)
    assert estimate.se_seeds == pytest.approx(stats.sem(values.mean(axis=1)))
    assert estimate.se_queries == pytest.approx(stats.sem(values.mean(axis=0)))


def test_seeds_alone_are_students_t():
    values = table()[:, 0]
    estimate = crossed(values)
    assert estimate.interval() == pytest.approx(stats.t.interval(0.95, 5, values.mean(), stats.sem(values)))
    assert estimate.p == pytest.approx(stats.ttest_1samp(values, 0).pvalue)
    assert np.isnan(estimate.se_queries)


def test_degenerate_tables():
    single = crossed(table(seeds=1))
    assert np.isnan([single.se, single.p, *single.interval()]).all()
    assert single.se_queries > 0
    same = crossed(np.tile(table(seeds=1), (4, 1)))
    assert same.se == pytest.approx(same.se_queries)
    assert same.se_seeds == pytest.approx(0)
    nothing = crossed(np.zeros((3, 4)))
    assert (nothing.se, nothing.p, nothing.interval()) == (0, 1, (0, 0))
    # Nothing varies: there is no test.
    assert np.isnan(crossed(np.ones((3, 4))).p)
    assert np.isnan(crossed([[0.1], [0.1], [0.1]]).p)


def test_p_of_the_chosen_one_is_1_and_few_seeds_give_none():
    values = np.random.default_rng(1).normal(0, 1, (4, 6))
    assert chosen_p(values, 2)[2] == 1
    assert np.isnan(chosen_p(values[:, :1], 2)).all()
    deterministic = np.tile(np.array([[0.1], [0.2], [0.1]]), (1, 5))
    assert list(chosen_p(deterministic, 1) < 0.05) == [True, False, True]
    assert (chosen_p(np.zeros((3, 5)), 0) == 1).all()


def test_of_very_many_arms_p_is_the_same_but_for_the_draws(monkeypatch):
    rng = np.random.default_rng(1)
    values = rng.normal(0.5, 0.05, (12, 10, 40)) + rng.normal(0, 0.01, (12, 1, 1))
    by_pair = chosen_p(values, 1)
    monkeypatch.setattr("study.analysis.crossed._MANY_RUNS", 12 * 10 - 1)
    # 1,000 draws: three standard errors of a share, and half of that for the 4,000.
    assert chosen_p(values, 1) == pytest.approx(by_pair, abs=0.07)
    assert 0.02 < by_pair.min() < 0.2 < by_pair[by_pair < 1].max()
    deterministic = np.tile(np.array([[0.1], [0.2], [0.1]]), (1, 50))
    assert list(chosen_p(deterministic, 1) < 0.05) == [True, False, True]
    assert (chosen_p(np.zeros((3, 50)), 0) == 1).all()
