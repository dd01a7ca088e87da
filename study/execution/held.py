"""What a storage holds of a study beyond what a command asks for."""

from __future__ import annotations

import copy
from dataclasses import replace

from study.execution.attributes import own
from study.execution.growth import grow
from study.execution.queue import TrialQueue, has_result, trial_key
from study.plan.planning import make_plan, with_more


def with_all_seeds(queue: TrialQueue) -> TrialQueue:
    """The queue with every seed and arm that has results, so that none is taken out of the tables.

    That is by a command that asks for fewer seeds, or on a machine that lacks what an arm needs.

    Args:
        queue: Of a command.

    Returns:
        The same queue where the storage can hold no other trial, else one of a larger plan that runs nothing.

    Raises:
        UserError: The storage cannot be read.
    """
    plan, fingerprint = queue.plan, queue.fingerprint
    results = [trial for trial in queue.study.get_trials(deepcopy=False) if has_result(trial)]
    finals = [trial for trial in results if trial.user_attrs.get("phase") == "final"]
    stored = (trial.user_attrs["seed"] for trial in finals if own(trial, "fingerprint") == fingerprint)
    most = max(stored, default=-1) + 1
    if most <= plan.seeds and not plan.lacking:
        return queue
    held = copy.copy(queue)
    held.replan(make_plan(plan.spec, plan.dataset, plan.assignments, max(most, plan.seeds), all_arms=True))
    grow(held)
    asked = {trial_key(trial, fingerprint) for trial in plan.trials}
    others = {key for key, trial in held.latest().items() if has_result(trial)} - asked
    # Results of what the study was before are none of its own.
    more = [trial for trial in held.plan.trials if trial_key(trial, fingerprint) in others]
    seeds = max([plan.seeds, *(trial.seed + 1 for trial in more if not trial.tuning)])
    arms = {trial.arm.name for trial in more}
    lacking = {arm: line for arm, line in plan.lacking.items() if arm not in arms}
    held.replan(replace(with_more(plan, more), seeds=seeds, lacking=lacking))
    return held
