"""What tuning found so far, and what follows from it."""

from __future__ import annotations

from typing import cast

from optuna.trial import FrozenTrial

from study.execution.queue import TrialQueue, counts, trial_key
from study.execution.records import TrialFacts, state_of
from study.plan.goal import Goal
from study.plan.planning import extended
from study.plan.trials import PlannedTrial
from study.plan.tries import FinishedTrial, State


def grow(queue: TrialQueue) -> None:
    """Adds to the plan of a study all that its results call for: further rounds of tuning, then the final trials.

    Args:
        queue: Whose plan is replaced where it grows.

    Raises:
        UserError: The settings of a trial that follows do not fit.
    """
    if queue.plan.spec.tune is None:
        return
    latest = queue.latest()
    while True:
        over = {
            planned.config.digest(): _finished(trial, queue.plan.spec.tune, planned)
            for planned in queue.plan.trials
            if planned.tuning and (trial := latest.get(trial_key(planned, queue.fingerprint))) and counts(trial)
        }
        plan = extended(queue.plan, over)
        if len(plan.trials) == len(queue.plan.trials):
            return
        queue.replan(plan)
        latest = queue.latest()


def _finished(trial: FrozenTrial, goal: Goal, planned: PlannedTrial) -> FinishedTrial:
    steps, state = trial.intermediate_values, cast(State, state_of(trial))
    measures = TrialFacts.of(trial).measures
    value = goal.value(measures) if state == "complete" else None
    if value is None:
        value = steps[max(steps)] if steps else float("nan")
    seconds = measures.get("train_seconds", float("nan"))
    violations = goal.violations(measures, planned.config) if state != "failed" else {}
    return FinishedTrial(planned.tuned, state, value, seconds, steps, violations)
