"""The search space of tuning in Optuna's terms."""

import pytest
from optuna.distributions import FloatDistribution, IntDistribution

from nsh_core import make_config
from nsh_core.methods import Range
from study.plan.arm import Arm
from study.plan.space import of_one_kind, space_of
from study.plan.trials import PlannedTrial

RATE, POSITIVES, EPOCHS = "train.learning_rate", "loss.num_positives", "train.epochs"


@pytest.mark.parametrize(
    ("name", "default", "searched", "expected"),
    [
        (RATE, 1e-3, Range(3e-4, 3e-2), FloatDistribution(3e-4, 3e-2, log=True)),
        (RATE, 1e-4, Range(3e-4, 3e-2), FloatDistribution(1e-4, 3e-2, log=True)),
        (RATE, 0.5, Range(3e-4, 3e-2), FloatDistribution(3e-4, 0.5, log=True)),
        (POSITIVES, 5, Range(2, 32, step=1), IntDistribution(2, 32, log=True)),
        (POSITIVES, 40, Range(2, 32, step=1), IntDistribution(2, 40, log=True)),
        (EPOCHS, 16, Range(8, 64, step=8), IntDistribution(8, 64, step=8)),
        # Off the grid of what is searched: the coarsest grid that both lie on.
        (EPOCHS, 12, Range(8, 64, step=8), IntDistribution(8, 64, step=4)),
        (EPOCHS, 100, Range(6, 60, step=8), IntDistribution(8, 100, step=4)),
        # A setting that is searched in whole numbers, and is none.
        (RATE, 0.25, Range(1, 9, step=2), FloatDistribution(0.25, 8, log=True)),
        ("loss.code_anchor_weight", 0.0, Range(0.1, 2.0), FloatDistribution(0.1, 2.0, log=True)),
    ],
)
def test_all_tries_lie_in_the_distribution_of_a_setting(name, default, searched, expected):
    config = make_config({}, [f"{name}={default}"])
    space = space_of({name: searched}, config)
    assert space == {name: expected}
    reached = [value for place in range(50) if (value := searched.at(place / 50))]
    assert all(expected._contains(expected.to_internal_repr(value)) for value in reached)
    # Zero has no place on a log scale.
    assert PlannedTrial(Arm("a", {}, {}), config, space=space).params == ({name: default} if default else {})


def test_a_setting_has_one_kind_of_distribution_in_all_arms():
    config = make_config({})
    spaces = [
        {RATE: FloatDistribution(0.1, 1.0, log=True), POSITIVES: IntDistribution(2, 32, log=True)},
        {RATE: IntDistribution(1, 10), POSITIVES: IntDistribution(4, 9, log=True)},
        {},
    ]
    trials = of_one_kind([PlannedTrial(Arm("a", {}, {}), config, space=space) for space in spaces])
    assert [trial.space for trial in trials] == [
        spaces[0],
        spaces[1] | {RATE: FloatDistribution(1, 10, log=True)},
        {},
    ]
