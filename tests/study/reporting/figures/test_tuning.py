"""Figures of tuning: every arm in its look, and where those are that are not drawn."""

import json

import numpy as np
import pandas as pd
import pytest

from study.analysis.budget import expected_by_budget
from study.analysis.importance import WAYS
from study.analysis.results import Results
from study.analysis.tables import Tables
from study.plan.spec import StudySpec
from study.reporting.figures.marks import Intervals, Line, Points
from study.reporting.figures.on_page import on_page
from study.reporting.figures.style import looks_of
from tests.study.analysis.test_budget import tuned
from tests.study.reporting.figures.test_figures import drawn, marks
from tests.study.reporting.test_document import synthetic


def test_the_budget_has_arms_in_their_look_and_explains_both_lines():
    results = tuned({"a": 0.5, "b": 0.6, "c": 0.55})
    chart = drawn(results, "budget")
    assert [mark.name for mark in chart.legend()] == ["expected of tries at random", "found by the search", *"abc"]
    looks = looks_of(results)
    for arm in "abc":
        lines = [mark for mark in marks(chart, Line) if mark.name == arm]
        assert {(mark.look.color, mark.look.dash) for mark in lines} == {
            (looks[arm].color, "solid"), (looks[arm].color, "dot")
        }  # fmt: skip
    assert chart.note == ""


def test_the_budget_says_who_is_below_the_axis_and_how_far():
    means = {f"a{place}": 0.6 + place / 1000 for place in range(9)} | {"bad": 0.2}
    results = tuned(means, tunings=2, tries=4)
    chart = drawn(results, "budget")
    ends = {arm: curve.mean(axis=0)[-1] for arm, curve in expected_by_budget(results).items()}
    ninth = sorted(ends.values(), reverse=True)[8]
    assert chart.note == (
        f"Not drawn: 1 behind the 8 best arms, {ninth:.3f} after all tries. Below the axis, after all tries: bad "
        f"{ends['bad']:.3f}."
    )
    low, high = chart.panels[0].ends("y")
    assert all(np.all((low < mark.y) & (mark.y < high)) for mark in marks(chart, Line)[2:])


def test_tuning_shows_every_run_the_defaults_and_what_was_chosen():
    results = tuned({"a": 0.5, "b": 0.6}, tunings=2, tries=4)
    chart = drawn(results, "tuning")
    assert [mark.name for mark in chart.legend()] == ["default settings", "chosen by a tuning"]
    trials = results.tables.trials
    runs = trials[(trials.phase == "tuning") & (trials.arm == "b")]
    every, default, chosen = marks(chart, Points)[-3:]
    assert every.x.tolist() == runs.val_map.tolist()
    assert np.all(np.diff(every.y) > 0)
    assert default.x.tolist() == runs[runs.tuned == "{}"].val_map.tolist()
    assert sorted(chosen.x) == sorted(runs.groupby("seed").val_map.max())
    assert json.loads(json.dumps(on_page(chart), allow_nan=False))


def test_tuning_says_which_arms_are_left_out():
    results = tuned({f"a{place:02}": 0.4 + place / 100 for place in range(24)}, tunings=1, tries=2, spread=0.001)
    chart = drawn(results, "tuning")
    assert chart.note == "Of 24 arms the 20 with the best tries are drawn."
    assert chart.panels[0].y.names == tuple(f"a{place:02}" for place in range(4, 24))


class Known(Results):
    """Results whose importances are made up: three settings of arm a, none of arm b."""

    @property
    def importances(self) -> pd.DataFrame:
        rows = []
        for place, setting in enumerate(["loss.temperature", "train.learning_rate", "loss.weight"]):
            share = 0.6 - 0.2 * place
            ends = {f"{way}_{end}": share + more for way in WAYS for end, more in (("low", -0.1), ("high", 0.1))}
            rows.append({"arm": "a", "tries": 40, "setting": setting, "p": 0.01 + 0.03 * place} | ends)
            rows[-1] |= dict.fromkeys(WAYS, share)
        return pd.DataFrame(rows)


def test_importance_has_intervals_a_unit_and_hollow_points_and_names_who_is_left_out():
    made = tuned({"a": 0.5, "b": 0.6}, tunings=2, tries=4)
    chart = drawn(Known(made.tables, made.facts), "importance")
    [panel] = chart.panels
    assert panel.title == "a, 40 tries"
    assert panel.x.label == "share of variance (0 to 1)"
    assert panel.y.names == ("temperature", "learning_rate", "weight")
    assert [mark.low.tolist() for mark in marks(chart, Intervals)] == [pytest.approx([0.5, 0.3, 0.1])] * 2
    hollow = [mark.x.tolist() for mark in marks(chart, Points) if mark.hollow]
    assert hollow == [pytest.approx([0.2])] * 2
    assert chart.note == "Left out here: b."


def around(chosen: dict[str, object]) -> Results:
    """Results around a configuration of which tuning chose these settings."""
    made = synthetic({"tuned": 0.8, "temperature=0.5": 0.7, "temperature=4.0": 0.75})
    settings = {
        "name": "made", "question": "How far?", "mode": "one_factor",
        "factors": {"sorter.temperature": [0.5, 1.0, 4.0]},
        "reference": {"sorter.temperature": 1.0}, "tune": {"trials": 1}, "figures": ["one_factor"],
    }  # fmt: skip
    known, text = made.tables, json.dumps(chosen)
    tried = known.trials[:1].assign(phase="tuning", tuned=text)
    trials = pd.concat([tried, known.trials.assign(tuned=text)], ignore_index=True)
    facts = made.facts.model_copy(update={"spec": StudySpec.model_validate(settings)})
    return Results(Tables(trials, known.curves, known.per_query, known.summary, known.comparisons), facts)


@pytest.mark.parametrize(
    ("chosen", "ticks"),
    [
        ({"sorter.temperature": 2.115}, ("0.5", "(2.1)", "4.0")),
        ({"sorter.temperature": 0.25}, ("(0.25)", "0.5", "4.0")),
        ({"loss.num_positives": 3}, ("0.5", "(1.0)", "4.0")),
        ({}, ("0.5", "(1.0)", "4.0")),
    ],
)
def test_the_tuned_configuration_stands_at_the_value_that_tuning_chose(chosen, ticks):
    results = around(chosen)
    chart = drawn(results, "one_factor")
    [panel] = chart.panels
    assert panel.x.names == ticks
    place = next(place for place, name in enumerate(ticks) if name.startswith("("))
    [own] = [mark for mark in marks(chart, Intervals) if mark.at.tolist() == [place]]
    assert own.look == looks_of(results)["tuned"]
