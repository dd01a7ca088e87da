"""What a storage holds of a study beyond what a command asks for."""

from __future__ import annotations

import copy
from dataclasses import replace

from study.execution.attributes import own
from study.execution.growth import grow
from study.execution.queue import TrialQueue, has_result, trial_key
from study.plan.planning import make_plan


def with_all_seeds(queue: TrialQueue) -> TrialQueue:
    """The queue with every seed that has results, so that a command which asks for fewer takes none out of the tables.

    Args:
        queue: Of a command.

    Returns:
        The same queue where the storage holds no other seed, else one of a larger plan that runs nothing.

    Raises:
        UserError: The storage cannot be read.
    """
    plan, fingerprint = queue.plan, queue.fingerprint
    results = [trial for trial in queue.study.get_trials(deepcopy=False) if has_result(trial)]
    finals = [trial for trial in results if trial.user_attrs.get("phase") == "final"]
    stored = (trial.user_attrs["seed"] for trial in finals if own(trial, "fingerprint") == fingerprint)
    most = max(stored, default=-1) + 1
    if most <= plan.seeds:
        return queue
    held = copy.copy(queue)
    held.replan(make_plan(plan.spec, plan.dataset, plan.assignments, most))
    grow(held)
    asked = {trial_key(trial, fingerprint) for trial in plan.trials}
    over = {key for key, trial in held.latest().items() if has_result(trial)}
    trials = tuple(trial for trial in held.plan.trials if trial_key(trial, fingerprint) in asked | over)
    # Results of what the study was before are none of its own.
    seeds = max([plan.seeds, *(trial.seed + 1 for trial in trials if not trial.tuning)])
    held.replan(replace(held.plan, trials=trials, seeds=seeds))
    return held
