"""Lines join what the test of the verdict does not tell apart."""

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.analysis.crossed import chosen_p, pairs_p
from study.analysis.results import read_results
from study.analysis.verdict import decide
from study.registry import FIGURES
from study.reporting.figures.critical_difference import _joined
from study.reporting.figures.marks import Line
from tests.study.reporting.figures.test_figures import by_length, drawn, marks
from tests.study.reporting.test_document import REFERENCE, synthetic


def pairs_of(chart: Any) -> set[frozenset[str]]:
    """Names that share a line."""
    names = chart.panels[0].y.names
    lines = [mark.y.astype(int) for mark in marks(chart, Line)]
    return {frozenset((names[a], names[b])) for rows in lines for a, b in combinations(rows, 2)}


def test_arms_are_joined_as_the_verdict_marks_them():
    results = read_results(REFERENCE / "sorter_ablation")
    chart = drawn(results, "critical_difference")
    joined, verdict = pairs_of(chart), decide(results)
    [best] = verdict.best
    assert {arm for arm in results.arms if frozenset((arm, best)) in joined} == verdict.tied
    assert not any("floor (argsort, no gradient)" in pair for pair in joined)
    means = results.summary_of("test_map")["mean"]
    assert list(chart.panels[0].y.names) == list(means.sort_values(ascending=False).index)


def test_the_p_of_all_pairs_are_those_of_each_chosen_arm():
    rng = np.random.default_rng(0)
    for values in (rng.random((4, 5)), rng.random((4, 5, 6))):
        pairs = pairs_p(values, draws=200)
        np.testing.assert_array_equal(pairs, [chosen_p(values, one, draws=200) for one in range(4)])
        np.testing.assert_allclose(pairs, pairs.T)
        assert (pairs.diagonal() == 1).all()


@given(st.integers(1, 8), st.integers(0, 2**32))
def test_two_share_a_line_exactly_if_they_are_not_told_apart(count, seed):
    same = np.random.default_rng(seed).random((count, count)) < 0.5
    same = (same | same.T) | np.eye(count, dtype=bool)
    joined = _joined(same)
    together = {pair for rows in joined for pair in combinations(rows, 2)}
    assert together == {(a, b) for a, b in combinations(range(count), 2) if same[a, b]}
    assert not any(set(one) < set(other) for one in joined for other in joined)


def test_equal_arms_share_a_line_and_a_bad_one_has_none():
    chart = drawn(synthetic({"a": 0.5, "b": 0.5, "c": 0.2}, 5), "critical_difference")
    assert pairs_of(chart) == {frozenset("ab")}
    assert "lowest c" in chart.alt


def test_a_group_of_arms_is_a_panel_and_those_left_out_are_told():
    chart = drawn(by_length(22, [8, 16]), "critical_difference")
    assert [len(panel.y.names) for panel in chart.panels] == [20, 20]
    assert chart.note == "Of 44 arms the 40 best on validation queries are drawn."


@pytest.mark.parametrize(("arms", "seeds"), [("ab", 8), ("abc", 2)])
def test_few_arms_and_few_seeds_have_no_such_figure(arms, seeds):
    results = synthetic({arm: 0.5 + place / 10 for place, arm in enumerate(arms)}, seeds)
    assert FIGURES["critical_difference"].draw(results) is None
