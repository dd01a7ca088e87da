"""What the figures of a study draw, and what they say they leave out."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from study.analysis.results import Results
from study.registry import FIGURES
from study.reporting.figures.bits import _side_by_side
from study.reporting.figures.chart import Chart
from study.reporting.figures.marks import Intervals, Line, Mark, Points, Texts
from study.reporting.figures.palette import QUIET
from study.reporting.figures.style import called, looks_of
from tests.study.reporting.test_document import synthetic


def drawn(results: Results, name: str) -> Chart:
    chart = FIGURES[name].draw(results)
    assert isinstance(chart, Chart)
    return chart


def marks(chart: Chart, kind: type[Mark]) -> list:
    return [mark for panel in chart.panels for mark in panel.marks if isinstance(mark, kind)]


def by_length(methods: int, lengths: list[int], seeds: int = 3) -> Results:
    factors = {"method": {f"m{place}": {} for place in range(methods)}, "code_length": lengths}
    names = {f"method=m{place}, code_length={bits}": 0.4 + 0.01 * place + bits / 1000
             for place in range(methods) for bits in lengths}  # fmt: skip
    return synthetic(names, seeds, factors=factors, within=["code_length"])


def test_arms_are_grouped_by_code_length_with_twenty_rows_in_all():
    chart = drawn(by_length(12, [8, 16, 32]), "arms")
    assert [panel.title for panel in chart.panels] == ["8 bits", "16 bits", "32 bits"]
    rows = [panel.y.names for panel in chart.panels]
    assert sum(map(len, rows)) <= 20
    assert rows[0] == ("m11", "m10", "m9", "m8", "m7", "m0")  # the best, and the reference of each length
    assert chart.note == (
        "Of 36 arms the 18 best on validation queries of each code length are drawn, references and arms that learn "
        "from labels among them; 18 are left out."
    )
    assert drawn(by_length(3, [8, 16]), "arms").note == ""


def test_the_code_length_that_all_arms_have_is_not_in_their_names():
    results = by_length(2, [8, 16])
    arms = ["method=m0, code_length=16", "method=m1, code_length=16"]
    assert called(results, arms) == dict(zip(arms, ["m0", "m1"], strict=True))
    assert called(results, results.arms) == {arm: arm for arm in results.arms}
    without_results = "method=m2, code_length=16"
    assert called(results, [*arms, without_results])[arms[0]] == arms[0]


def test_long_names_lose_their_middle_and_stay_apart():
    start, end = "an arm that somebody describes " * 3, " to its very end and beyond"
    names = [f"{start}{middle}{end}" for middle in ("once", "twice")] + [f"{start}otherwise", "short"]
    panel = drawn(synthetic({name: 0.4 + place / 10 for place, name in enumerate(names)}), "arms").panels[0]
    assert panel.y.names == (
        "short",
        "an arm that somebody describes an arm that somebody describe… describes otherwise",
        "an arm that somebody describes an arm that somebody describe… very end and beyond (3)",
        "an arm that somebody describes an arm that somebody describe… very end and beyond (4)",
    )


@pytest.mark.parametrize(("seeds", "intervals"), [(2, 0), (3, 2)])
def test_no_interval_is_drawn_of_fewer_than_three_seeds(seeds, intervals):
    results = synthetic({"a": 0.5, "b": 0.6}, seeds)
    own = marks(drawn(results, "arms"), Intervals)
    assert sum(np.isfinite(mark.low).sum() for mark in own) == intervals
    points = marks(drawn(results, "arms"), Points)
    assert sorted(len(mark.x) for mark in points) == sorted([seeds, 1] * 2)


def test_an_arm_looks_the_same_in_every_figure_whoever_else_is_drawn():
    results = with_cost(synthetic({"a": 0.5, "b": 0.6, "c": 0.55}, 3))
    look = looks_of(results)["b"]
    some = results.of_arms(["a", "b"])
    for one in (results, some):
        for name in ("arms", "curves", "pr", "cost"):
            own = [mark.look for mark in marks(drawn(one, name), Mark) if mark.name == "b"]
            if name == "arms":
                own = [mark.look for mark in marks(drawn(one, name), Points) if mark.hover[0].startswith("b\ntest")]
            assert own, name
            assert set(own) == {look}, name
    assert look.color != QUIET


def with_cost(results: Results) -> Results:
    rows = [
        {"arm": arm, "repeat": repeat, "train_seconds": 2.0 + repeat + place, "total_seconds": 3.0}
        for place, arm in enumerate(results.arms) for repeat in range(3)
    ]  # fmt: skip
    return Results(replace(results.tables, cost=pd.DataFrame(rows)), results.facts)


def test_cost_is_the_mean_of_the_repeats_with_least_and_most():
    chart = drawn(with_cost(synthetic({"a": 0.5, "b": 0.6}, 3)), "cost")
    first = marks(chart, Points)[0]
    assert (first.name, first.x.tolist()) == ("a", [3.0])
    least = next(mark for mark in marks(chart, Intervals) if mark.along == "x")
    assert (least.low.tolist(), least.high.tolist()) == ([2.0], [4.0])
    assert "fastest a" in chart.alt
    assert "slowest b" in chart.alt


def test_a_bad_arm_does_not_flatten_the_curves_of_the_others():
    results = synthetic({"a": 0.7, "b": 0.72, "c": 0.71, "d": 0.73, "bad": 0.05}, 3)
    chart = drawn(results, "curves")
    low, _ = chart.panels[0].ends("y")
    assert low > 0.6
    assert "The axis of validation mAP@1000 is that of the other arms: not all of bad is seen on it." in chart.note
    assert {mark.name for mark in marks(chart, Line)} == {"a", "b", "c", "d", "bad"}
    assert drawn(synthetic({"a": 0.7, "b": 0.72, "c": 0.74}, 3), "curves").note == ""


def test_precision_and_recall_have_a_panel_a_code_length_and_say_what_is_left_out():
    chart = drawn(by_length(14, [8, 16]), "pr")
    assert [panel.title for panel in chart.panels] == ["8 bits", "16 bits"]
    assert [len(panel.marks) for panel in chart.panels] == [13, 13]  # twelve, and the reference
    assert chart.note == "Of 28 arms the 26 best on validation queries are drawn, references among them."
    assert len({mark.look for mark in marks(chart, Line)}) == 13


def test_lines_of_bits_are_named_at_their_ends():
    chart = drawn(by_length(14, [8, 16, 32]), "bits")
    assert {mark.texts[0] for mark in marks(chart, Texts)} == {f"m{place}" for place in (0, *range(3, 14))}
    assert "Of 14 lines the 12 best on validation queries are drawn" in chart.note
    assert "32 bits: highest m13" in chart.alt


@given(
    arrays(np.float64, st.integers(1, 12), elements=st.integers(0, 1000).map(lambda part: part / 1000)),
    st.floats(0.001, 0.2),
)
def test_labels_keep_their_order_and_their_distance(wanted, apart):
    placed = _side_by_side(wanted, apart)
    order = np.argsort(wanted, kind="stable")
    assert (np.diff(placed[order]) >= apart - 1e-9).all()
    if len(wanted) == 1 or np.diff(wanted[order]).min() >= apart:
        np.testing.assert_allclose(placed, wanted)


@pytest.mark.parametrize("name", ["arms", "curves", "pr"])
def test_the_alternative_text_names_the_best_and_the_worst_with_their_numbers(name):
    results = synthetic({"good": 0.7, "middling": 0.6, "poor": 0.3}, 3)
    alt = drawn(results, name).alt
    mean = results.summary_of("test_map" if name == "arms" else "val_map")["mean"]
    assert f"highest good {mean['good']:.3f}, lowest poor {mean['poor']:.3f}" in alt
