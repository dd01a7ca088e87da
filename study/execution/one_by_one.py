"""The steps of the queue in a storage without transactions, as a journal: each write may be the last one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState
from typing_extensions import override

from study.execution.attributes import known, own, set_own
from study.storage.optuna_internals import behind_the_cache, trial_id
from study.storage.transactions import CLAIMANT, Transactions


def steps_of(storage: BaseStorage) -> Transactions:
    """The steps of the queue in a storage: in one transaction each where it knows how.

    Args:
        storage: Any of Optuna's.
    """
    behind = behind_the_cache(storage)
    return behind if isinstance(behind, Transactions) else OneByOne(storage)


class OneByOne(Transactions):
    """Any storage, by Optuna's own operations, in an order in which none of them loses or doubles anything.

    Args:
        storage: Any of Optuna's.
    """

    def __init__(self, storage: BaseStorage) -> None:
        self.storage = storage

    @override
    def add(self, study_id: int, trials: Sequence[FrozenTrial]) -> None:
        for one in trials:
            self.storage.create_new_trial(study_id, one)

    @override
    def peek(self, study_id: int, after: int, count: int, whole: bool = False) -> list[FrozenTrial]:
        trials = self.storage.get_all_trials(study_id, deepcopy=False)
        waiting = (
            place for place, one in enumerate(trials) if one.state == TrialState.WAITING and trial_id(one) > after
        )
        # What stands in front of a trial was queued before it.
        last = list(islice(waiting, count))[-1:]
        return trials[: last[0] + 1] if last else []

    @override
    def take(self, trial_ids: Sequence[int], most: int, claim: str, attributes: Mapping[str, Any]) -> list[FrozenTrial]:
        taken: list[FrozenTrial] = []
        for one in trial_ids:
            if len(taken) == most:
                break
            if self._won(one, attributes["owner"]):
                for name, value in sorted(attributes.items()):
                    set_own(self.storage, one, name, value)
                taken.append(self.storage.get_trial(one))
        return taken

    def _won(self, one: int, owner: str) -> bool:
        try:
            # Before the state, and as its owner after it: a process that ends in between leaves its name.
            set_own(self.storage, one, CLAIMANT + owner, True)
            won = self.storage.set_trial_state_values(one, TrialState.RUNNING)
            return won or _is_mine(self.storage.get_trial(one), owner)
        except optuna.exceptions.UpdateFinishedTrialError:
            return False

    @override
    def told(self, trial_id: int) -> dict[str, Any]:
        return self.storage.get_trial_user_attrs(trial_id)

    @override
    def end(
        self,
        trial_id: int,
        state: TrialState,
        value: float | None,
        user_attrs: Mapping[str, Any],
        system_attrs: Mapping[str, Any],
    ) -> None:
        for name, attribute in user_attrs.items():
            self.storage.set_trial_user_attr(trial_id, name, attribute)
        for name, attribute in system_attrs.items():
            self.storage.set_trial_system_attr(trial_id, name, attribute)
        self.storage.set_trial_state_values(trial_id, state, None if value is None else [value])


def _is_mine(trial: FrozenTrial, me: str) -> bool:
    """Whether this process won a claim of which it did not hear: the connection broke after the server took it."""
    return trial.state == TrialState.RUNNING and own(trial, "owner") is None and claimants(trial) == [me]


def claimants(trial: FrozenTrial) -> list[str]:
    """Who left a name on a trial before asking for it.

    Args:
        trial: As storage has it.
    """
    return [name.removeprefix(CLAIMANT) for name in known(trial) if name.startswith(CLAIMANT)]
