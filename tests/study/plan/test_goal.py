import re

import pytest
from pydantic import ValidationError

from nsh_core import make_config
from nsh_core.errors import UserError
from nsh_core.methods import Range
from study.plan.budget import SamplerConfig, Tuning
from study.plan.goal import Goal
from study.plan.samplers import HALTON
from study.plan.sampling import suggest
from study.plan.tries import FinishedTrial, best_of, tries_of
from study.registry import OBJECTIVES

CONFIG = make_config({"code_length": 32})


def test_a_goal_is_validation_map_unless_it_says_more():
    assert Goal().is_plain
    assert Tuning().is_plain
    assert Tuning().prunes
    assert Goal().value({"val_map": 0.5}) == 0.5
    precision = Tuning(objective="val_precision")
    assert precision.value({"val_map": 0.5, "val_precision": 0.25}) == 0.25
    assert not precision.prunes


def test_constraints_are_of_measures_and_settings():
    goal = Goal(constraints={"encode_ms": {"max": 5.0}, "code_length": {"min": 16.0, "max": 24.0}})
    assert goal.violations({"encode_ms": 7.5}, CONFIG) == {"encode_ms": 2.5, "code_length": 8.0}
    assert goal.violations({}, CONFIG) == {"code_length": 8.0}
    assert str(goal) == "val_map with encode_ms at most 5, code_length at least 16 and at most 24"
    assert Goal(constraints={"code_length": {"min": 40.0}}).violations({}, CONFIG) == {"code_length": 8.0}


@pytest.fixture
def ratio():
    OBJECTIVES.register("ratio", lambda measures: measures["val_map"] / measures["encode_ms"])
    yield
    OBJECTIVES.unregister("ratio")


@pytest.mark.usefixtures("ratio")
def test_an_objective_may_be_a_function_of_measures():
    goal = Goal(objective="ratio")
    assert goal.value({"val_map": 0.5, "encode_ms": 2.0}) == 0.25
    assert goal.missing({"val_map": 0.5, "encode_ms": 2.0}, CONFIG) == ""
    with pytest.raises(UserError, match="objective 'ratio' failed: KeyError"):
        goal.value({"val_map": 0.5})


def test_what_a_try_has_no_value_of_is_named():
    goal = Goal(objective="val_recall", constraints={"sorter_fidelity": {"min": 0.5}, "code_length": {"max": 64.0}})
    assert goal.missing({"val_map": 0.5}, CONFIG) == "sorter_fidelity, val_recall"


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"objective": "val_mpa"}, "did you mean 'val_map'?"),
        ({"objective": "test_map"}, "test queries choose nothing"),
        ({"objective": "final_loss"}, "a measure of which more is better"),
        ({"constraints": {"encode_mz": {"max": 5.0}}}, "'encode_mz' is neither a setting nor a measure"),
        ({"constraints": {"test_map": {"min": 0.5}}}, "'test_map' is neither"),
        ({"constraints": {"sorter.name": {"max": 5.0}}}, "'sorter.name' is neither"),
        ({"constraints": {"encode_ms": {}}}, "a constraint is {max: 5}"),
        ({"constraints": {"encode_ms": 5}}, "valid dictionary"),
    ],
)
def test_goals_that_cannot_be_are_named(settings, line):
    with pytest.raises(ValidationError, match=re.escape(line)):
        Tuning(**settings)


def finished(rate: float, value: float, *violations: float) -> FinishedTrial:
    return FinishedTrial(
        {"train.learning_rate": rate}, "complete", value, 1.0, {}, dict(zip("ab", violations, strict=False))
    )


def test_the_best_try_keeps_all_constraints():
    trials = [finished(0.1, 0.9, 1.0, -1.0), finished(0.2, 0.5, -1.0, -1.0), finished(0.3, 0.7, 0.0, -2.0)]
    assert best_of(trials) == {"train.learning_rate": 0.3}
    assert best_of(trials[:1]) is None
    [both] = tries_of(trials[:2], 2)
    assert both.violations == {"a": 0.0, "b": -1.0}
    assert both.value == pytest.approx(0.7)


@pytest.mark.filterwarnings("error::FutureWarning")
@pytest.mark.parametrize("name", ["tpe", "gp", "cmaes"])
def test_samplers_look_where_constraints_are_kept(name):
    """Values rise with the rate, which must stay below .01; without the constraint all go up."""
    pytest.importorskip("cmaes")
    space = {"train.learning_rate": Range(1e-4, 1e-1)}
    found = {}
    for limited in (True, False):
        trials: list[FinishedTrial] = []
        for one in HALTON(space, 8, 0):
            rate = one["train.learning_rate"]
            trials.append(finished(rate, rate, *([rate - 0.01] if limited else [])))
        for _ in range(4):
            for one in suggest(SamplerConfig(name=name), space, {}, trials, 4, 0):
                rate = one["train.learning_rate"]
                trials.append(finished(rate, rate, *([rate - 0.01] if limited else [])))
        found[limited] = sum(one.settings["train.learning_rate"] < 0.01 for one in trials[8:])
    assert found[True] > found[False]
