"""Takes trials from the queue: each is claimed once, whoever asks at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from nsh_core import Config
from study.execution.attributes import own, set_own
from study.execution.ownership import this_process
from study.execution.queue import claimants, duplicates
from study.execution.records import CLAIMANT, Task
from study.execution.signs_of_life import alive
from study.execution.stack_size import stack_kind
from study.storage.optuna_internals import trial_id


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
    for study in studies:
        if claimed := _claim(study, storage, keys, most, this_process(run)):
            return claimed
    return []


def _claim(
    study: optuna.Study, storage: BaseStorage, keys: set[str], most: Callable[[Config], int], me: str
) -> list[optuna.Trial]:
    claimed: list[optuna.Trial] = []
    kind, limit = "", 1
    trials = study.get_trials(deepcopy=False)
    behind = {trial.number for trial, _ in duplicates(trials)}
    for waiting in trials:
        if waiting.state != TrialState.WAITING or waiting.number in behind or own(waiting, "key") not in keys:
            continue
        task = Task.of(waiting)
        own_kind = task.phase + stack_kind(task.config)
        if claimed and own_kind != kind:
            continue
        try:
            # Before the state, and as its owner after it: a process that ends in between leaves its name.
            set_own(storage, waiting, CLAIMANT + me, True)
            won = storage.set_trial_state_values(trial_id(waiting), TrialState.RUNNING)
            won = won or _is_mine(storage.get_trial(trial_id(waiting)), me)
        except optuna.exceptions.UpdateFinishedTrialError:
            continue
        if won:
            lead = trial_id(claimed[0]) if claimed else trial_id(waiting)
            set_own(storage, waiting, "lead", lead)
            set_own(storage, waiting, "owner", me)
            claimed.append(optuna.Trial(study, trial_id(waiting)))
            if len(claimed) == 1:
                # That may time a few steps.
                with alive(study, claimed[0]):
                    kind, limit = own_kind, most(task.config)
            if len(claimed) >= limit:
                break
    return claimed


def _is_mine(trial: FrozenTrial, me: str) -> bool:
    """Whether this process won a claim of which it did not hear: the connection broke after the server took it."""
    return trial.state == TrialState.RUNNING and own(trial, "owner") is None and claimants(trial) == [me]
