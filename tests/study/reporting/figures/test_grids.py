"""Figures of rows and of cells say what they leave out, and give the same bytes again."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from study.analysis.across import across
from study.analysis.results import Results
from study.registry import FIGURES
from study.reporting.figures.across import across_chart
from study.reporting.figures.chart import Shades
from study.reporting.figures.drawing import _rendered
from study.reporting.figures.marks import Cells, Intervals, Points
from tests.study.reporting.figures.test_figures import by_length, drawn, marks
from tests.study.reporting.figures.test_palette import contrast
from tests.study.reporting.test_document import synthetic


def with_measure(results: Results, **columns: object) -> Results:
    return replace(results, tables=replace(results.tables, trials=results.tables.trials.assign(**columns)))


def test_health_has_no_empty_panel_and_says_what_is_the_same_in_all_runs():
    results = with_measure(synthetic({"a": 0.5, "b": 0.6}, 3), dead_bits=0.0, sorter_fidelity=np.nan)
    chart = drawn(results, "health")
    titles = [panel.title for panel in chart.panels]
    assert titles == ["bit balance", "bit correlation", "bit entropy", "effective number of codes"]
    assert chart.note == "The same in all runs: share of dead bits, 0.000."
    assert all(panel.marks for panel in chart.panels)


def test_health_says_which_arms_are_left_out():
    chart = drawn(synthetic({f"a{place}": 0.4 + place / 100 for place in range(30)}, 2), "health")
    assert len(chart.panels[0].y.names) == 21  # and the reference
    assert chart.note == "Of 30 arms the 21 best on validation queries are drawn, references among them."


def test_the_same_results_give_the_same_bytes():
    same = dict.fromkeys(("bit_correlation", "bit_entropy", "effective_codes", "dead_bits", "sorter_fidelity"), 0.5)
    results = with_measure(synthetic({"a": 0.5, "b": 0.6}, 3), **same)
    first, second = (_rendered(drawn(results, "health"), "health", "") for _ in range(2))
    assert first[0].png == second[0].png
    assert first[1] == second[1]


def test_a_heat_map_frames_the_best_and_tells_of_levels_without_trials():
    results = by_length(3, [8, 16])
    chart = drawn(results, "heatmap")
    [cells] = marks(chart, Cells)
    assert cells.framed == (2, 1)
    assert cells.texts[2][1] == f"{results.summary_of('test_map')['mean']['method=m2, code_length=16']:.3f}"[1:]
    assert chart.shades.label == "test mAP@1000"
    trials = results.tables.trials
    some = replace(results, tables=replace(results.tables, trials=trials[trials.factor_method != "m1"]))
    assert drawn(some, "heatmap").note == "Left out, without any complete trial: method m1."
    assert drawn(some, "heatmap").panels[0].y.names == ("m0", "m2")


@pytest.mark.parametrize("log", [False, True])
def test_texts_are_read_on_every_colour_of_the_scale(log):
    import matplotlib
    from matplotlib.colors import LogNorm, Normalize, to_hex

    shades = Shades("bits", 8, 128, log=log)
    norm = (LogNorm if log else Normalize)(8, 128)
    for value in np.linspace(8, 128, 50):
        ink = "#ffffff" if shades.ink(float(value)) == "white" else "#000000"
        assert contrast(ink, to_hex(matplotlib.colormaps["viridis"](norm(value)))) > 4.3


def test_what_needs_labels_is_hollow_beside_what_does_not():
    rng = np.random.default_rng(0)
    results = synthetic({f"a{place}": 0.4 + place / 50 for place in range(8)}, 3)
    chart = drawn(with_measure(results, bit_balance=rng.random(24), final_loss=rng.random(24)), "label_free")
    names = chart.panels[0].y.names
    hollow = {names[int(row)] for mark in marks(chart, Points) if mark.hollow for row in mark.y}
    assert hollow == {name for name in names if "uses labels" in name} == {"validation mAP@1000 (uses labels)"}
    [intervals] = marks(chart, Intervals)
    assert len(intervals.at) == len(names)
    assert FIGURES["label_free"].draw(synthetic({"a": 0.5, "b": 0.6})) is None


def test_arms_across_data_sets_stand_by_score_with_their_chance_to_beat_the_reference():
    results = synthetic({"a": 0.5, "b": 0.55, "c": 0.2})
    other = results.facts.model_copy(update={"fingerprint": "of other data"})
    table = across([results, replace(results, facts=other)])
    chart = across_chart(table, results)
    scores, chances = ([mark for mark in panel.marks if isinstance(mark, Points)] for panel in chart.panels)
    assert chart.panels[0].y.names == ("b", "a", "c")
    assert [float(mark.x[0]) for mark in scores] == sorted(table.iqm, reverse=True)
    assert [bool(np.isnan(mark.x[0])) for mark in chances] == [False, True, False]
    many = pd.concat([table.assign(arm="a"), *[table[1:2].assign(arm="b", iqm=place) for place in range(30)]])
    note = across_chart(many, results).note
    assert note == "Of 33 arms the 20 with the highest scores and references are drawn."
