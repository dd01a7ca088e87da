"""The private parts of Optuna that the queue needs, all in this file."""

from __future__ import annotations

import optuna
from optuna.storages import BaseStorage
from optuna.storages.journal._storage import JournalOperation
from optuna.trial import FrozenTrial

__all__ = ["BEHIND_THE_CACHE", "JournalOperation", "frozen", "storage_of", "study_id", "trial_id"]

# What Optuna's cache calls of the storage behind it, beside the public operations.
BEHIND_THE_CACHE = ("_get_trials", "_create_new_trial")


def storage_of(study: optuna.Study) -> BaseStorage:
    """The storage that a study was opened in."""
    return study._storage


def study_id(study: optuna.Study) -> int:
    """The number by which its storage knows a study."""
    return study._study_id


def trial_id(trial: optuna.Trial | FrozenTrial) -> int:
    """The number by which its storage knows a trial, unique among all studies."""
    return trial._trial_id


def frozen(study: optuna.Study, trial: optuna.Trial) -> FrozenTrial:
    """A running trial as its storage has it."""
    return storage_of(study).get_trial(trial_id(trial))
