import numpy as np
import pandas as pd
import pytest

from nsh_core.errors import CodeCollapse
from study.analysis.budget import expected_by_budget, found_by_budget, leaders
from study.analysis.results import Results
from study.analysis.statistics import expected_best
from study.analysis.tables import Tables
from study.analysis.tuned import tuned_arms
from study.plan.spec import StudySpec
from tests.study.reporting.test_document import synthetic


def tuned(means: dict[str, float], tunings: int = 6, tries: int = 8, spread: float = 0.02) -> Results:
    """Results of arms that were tuned so often, whose tries scatter around their means."""
    rng = np.random.default_rng(0)
    made = synthetic(means, seeds=tunings)
    rows = [
        {"arm": arm, "seed": 1_000 + repeat, "phase": "tuning", "state": "complete", "failure": "",
         "tuned": "{}" if number == 0 else f'{{"x": {number}}}', "val_map": mean + rng.normal(0, spread)}
        for arm, mean in means.items()
        for repeat in range(tunings)
        for number in range(tries)
    ]  # fmt: skip
    trials = pd.concat([made.tables.trials, pd.DataFrame(rows)], ignore_index=True)
    settings = made.spec.model_dump() | {"mode": "tuned", "tune": {"trials": tries, "each_seed": tunings > 1}}
    facts = made.facts.model_copy(update={"spec": StudySpec.model_validate(settings)})
    known = made.tables
    return Results(Tables(trials, known.curves, known.per_query, known.summary, known.comparisons), facts)


def test_curves_are_of_each_tuning():
    results = tuned({"a": 0.5, "b": 0.6})
    curves = expected_by_budget(results)
    assert {arm: curve.shape for arm, curve in curves.items()} == {"a": (6, 8), "b": (6, 8)}
    trials = results.tables.trials
    own = trials[(trials.arm == "b") & (trials.seed == 1_002)].val_map
    np.testing.assert_allclose(curves["b"][2], expected_best(own)[0])
    assert found_by_budget(results, "b").iloc[-1] == pytest.approx(curves_end(trials, "b"))


def test_an_arm_that_could_not_be_tried_has_no_curve_and_one_that_collapses_has():
    results = tuned({"a": 0.5, "b": 0.6, "c": 0.7})
    trials = results.tables.trials
    tries = trials.phase == "tuning"
    trials.loc[tries & (trials.arm == "b"), ["state", "failure", "val_map"]] = "failed", "unusable: no labels", np.nan
    trials.loc[tries & (trials.arm == "c"), ["state", "failure", "val_map"]] = (
        "failed",
        f"{CodeCollapse.name}: one code",
        np.nan,
    )
    curves = expected_by_budget(results)
    assert list(curves) == ["a", "c"]
    assert (curves["c"] == 0).all()


def curves_end(trials: pd.DataFrame, arm: str) -> float:
    tries = trials[(trials.arm == arm) & (trials.phase == "tuning")]
    return float(tries.groupby("seed").val_map.max().mean())


def test_an_arm_leads_only_where_repeated_tunings_show_it():
    apart, equal = tuned({"a": 0.5, "b": 0.6}), tuned({"a": 0.5, "b": 0.501, "c": 0.5})
    assert leaders(apart, expected_by_budget(apart)) == ["With 1 to 8 tries b leads, over 6 tunings."]
    assert leaders(equal, expected_by_budget(equal)) == ["With 1 to 8 tries no arm is shown to lead, over 6 tunings."]
    once = tuned({"a": 0.5, "b": 0.6}, tunings=1)
    [sentence] = leaders(once, expected_by_budget(once))
    assert sentence == "Each arm was tuned once: nothing tells which of them would lead at which budget."


def test_what_was_chosen_is_told_of_each_tuning():
    results = tuned({"a": 0.5, "b": 0.6}, tunings=3)
    chosen = tuned_arms(results)
    assert (chosen["a"].settings, chosen["a"].tries, len(chosen["a"].chosen)) == (("x",), 8, 3)
    assert chosen["a"].untouched == 3  # the final trials made here are of the defaults
