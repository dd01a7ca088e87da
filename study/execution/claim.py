"""Takes trials from the queue: each is claimed once, whoever asks at the same time."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from itertools import count

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from nsh_core import Config
from study.execution.attributes import own
from study.execution.one_by_one import steps_of
from study.execution.ownership import this_process
from study.execution.queue import duplicates
from study.execution.records import Task
from study.execution.signs_of_life import alive
from study.execution.stack_size import stack_kind
from study.storage.optuna_internals import held, running, study_id, trial_id
from study.storage.transactions import Transactions

# A look is at so many trials that wait: more than others take of them until it is out of date.
_LOOK = 128
# So many looks, at fewer, find the rest of a stack, or it stays smaller: the kind of each trial in them is found out.
_STACK_LOOK, _STACK_LOOKS = 64, 16


def claim(
    studies: Iterable[optuna.Study],
    storage: BaseStorage,
    keys: set[str],
    most: Callable[[Config], int],
    run: str | None = None,
) -> list[optuna.Trial]:
    """The first queued trial among `keys` and those that can be stacked with it, now owned by this process.

    Args:
        studies: Where they are looked for, in this order.
        storage: Of the studies.
        keys: Of trials that may be claimed.
        most: How many at most, by the config of the first.
        run: That this process works for; none: its own.

    Returns:
        Running trials of one study; empty if none is left.
    """
    steps, me = steps_of(storage), this_process(run)
    for study in studies:
        if first := _taken(study, steps, keys, 1, me):
            # That may time a few steps.
            with alive(study, first[0]):
                limit = most(Task.of(held(first[0])).config)
            return first + (_taken(study, steps, keys, limit - 1, me, first[0]) if limit > 1 else [])
    return []


def _taken(
    study: optuna.Study,
    steps: Transactions,
    keys: set[str],
    most: int,
    me: str,
    lead: optuna.Trial | None = None,
) -> list[optuna.Trial]:
    """The first trials among `keys`, behind and of the kind of the one that leads their stack."""
    taken: list[optuna.Trial] = []
    number, kind = (None, "") if lead is None else (trial_id(lead), _kind(held(lead)))
    after = -1 if number is None else number
    attributes = {"owner": me} | ({} if number is None else {"lead": number})
    for look in count():
        trials = steps.peek(study_id(study), after, _LOOK if lead is None else _STACK_LOOK, lead is not None)
        behind = {trial.number for trial, _ in duplicates(trials)}
        waiting = [one for one in trials if one.state == TrialState.WAITING and trial_id(one) > after]
        free = [
            trial_id(one)
            for one in waiting
            if one.number not in behind and own(one, "key") in keys and (lead is None or _kind(one) == kind)
        ]
        if free:
            won = steps.take(free, most - len(taken), uuid.uuid4().hex, attributes)
            taken += [running(study, one) for one in won]
        if not waiting or len(taken) == most or (lead is not None and look == _STACK_LOOKS):
            return taken
        # What was free and could not be taken is another's by now.
        after = trial_id(waiting[-1])
    return taken


def _kind(trial: FrozenTrial) -> str:
    """What trials of a stack share."""
    config = Config.model_validate_json(own(trial, "config"))
    return f"{own(trial, 'phase')}{stack_kind(config)}"
