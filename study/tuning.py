"""What tuning found."""

from __future__ import annotations

from typing import Any

from optuna.trial import TrialState

from study.queue import TrialQueue, is_open, trial_key
from study.spec import with_tuned


def plan_finals(queue: TrialQueue) -> None:
    """Adds to the plan of a tuned study the final trials of arms whose tuning is over."""
    if queue.plan.spec.tune is not None:
        queue.replan(with_tuned(queue.plan, best_of_tuning(queue)))


def best_of_tuning(queue: TrialQueue) -> dict[str, dict[str, Any]]:
    """For each arm whose tuning is over, the settings with the highest validation mAP, the earliest among equals.

    A tuning trial that failed is over too; an arm of which all failed has no best settings.
    """
    latest = queue.latest()
    best: dict[str, tuple[float, dict[str, Any]]] = {}
    unfinished = set()
    for planned in queue.plan.trials:
        if not planned.tuning:
            continue
        trial = latest.get(trial_key(planned, queue.fingerprint))
        if trial is None or is_open(trial) or not trial.state.is_finished():
            unfinished.add(planned.arm)
        elif trial.state == TrialState.COMPLETE:
            value = trial.user_attrs["val_map"]
            if value > best.get(planned.arm, (-1.0, {}))[0]:
                best[planned.arm] = (value, planned.tuned)
    return {arm: settings for arm, (_, settings) in best.items() if arm not in unfinished}
