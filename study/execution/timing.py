"""What a run is going to take, by a few of its steps."""

from __future__ import annotations

import time
from collections.abc import Iterable

from nsh_core import Dataset, step_seconds
from nsh_core.methods import DeepMethod
from nsh_core.preparation import features_to_come
from nsh_core.registry import METHODS
from study.execution.stack_size import stack_kind
from study.execution.time_left import Kind
from study.plan.trials import PlannedTrial

_PATIENCE_SECONDS = 15


def timed(trials: Iterable[PlannedTrial], dataset: Dataset) -> dict[Kind, float]:
    """Times a few steps of the first trial of each kind, those of the same shapes and sorter once.

    Args:
        trials: Planned.
        dataset: Of the study.

    Returns:
        Seconds of the steps of one run by itself; kinds are left out whose features are yet to be extracted, or whose
        turn did not come within 15 seconds.

    Raises:
        UserError: A run does not fit the data or the machine.
    """
    until = time.monotonic() + _PATIENCE_SECONDS
    steps: dict[str, float] = {}
    seconds: dict[Kind, float] = {}
    for trial in trials:
        kind, config = Kind(trial.arm.name, trial.phase), trial.config
        if kind in seconds or features_to_come(config, dataset):
            continue
        if not issubclass(METHODS[config.method.name], DeepMethod):
            seconds[kind] = 0.0
            continue
        like = stack_kind(config)
        if like not in steps:
            if time.monotonic() > until:
                continue
            steps[like] = step_seconds([config], dataset)
        seconds[kind] = steps[like] * (dataset.num_train // config.train.batch_size) * config.train.epochs
    return seconds
