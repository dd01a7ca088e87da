"""The private parts of Optuna that the queue needs: here, and those of its databases in optuna_database."""

from __future__ import annotations

import copy
from typing import Any

import optuna
from optuna.storages import BaseStorage, _CachedStorage
from optuna.storages.journal._storage import JournalOperation
from optuna.trial import FrozenTrial

__all__ = [
    "BEHIND_THE_CACHE",
    "JournalOperation",
    "behind_the_cache",
    "channel_of",
    "frozen",
    "held",
    "proxy_server",
    "running",
    "storage_of",
    "study_id",
    "trial_id",
]

# What Optuna's cache calls of the storage behind it, beside the public operations.
BEHIND_THE_CACHE = ("_get_trials", "_create_new_trial")


def storage_of(study: optuna.Study) -> BaseStorage:
    """The storage that a study was opened in."""
    return study._storage


def behind_the_cache(storage: BaseStorage) -> BaseStorage:
    """The storage that Optuna's cache of it stands in front of; others as they are."""
    return getattr(storage, "_backend", storage) if isinstance(storage, _CachedStorage) else storage


def proxy_server(storage: BaseStorage, host: str, port: int) -> Any:
    """Optuna's gRPC server in front of a storage, a grpc.Server that has not started."""
    # grpc is optional.
    from optuna.storages._grpc.server import make_server

    return make_server(storage, host, port)


def channel_of(proxy: BaseStorage) -> Any:
    """The grpc.Channel of a GrpcStorageProxy."""
    return proxy._channel  # type: ignore[attr-defined]


def study_id(study: optuna.Study) -> int:
    """The number by which its storage knows a study."""
    return study._study_id


def trial_id(trial: optuna.Trial | FrozenTrial) -> int:
    """The number by which its storage knows a trial, unique among all studies."""
    return trial._trial_id


class _Running(optuna.Trial):
    """A trial that is not read again."""

    def __init__(self, study: optuna.Study, trial: FrozenTrial) -> None:
        self.study, self.storage = study, study._storage
        self._trial_id, self._cached_frozen_trial = trial._trial_id, copy.copy(trial)
        self._cached_frozen_trial.intermediate_values = {}


def running(study: optuna.Study, trial: FrozenTrial) -> optuna.Trial:
    """A trial that was claimed: to be reported on, with settings that are chosen already."""
    return _Running(study, trial)


def held(trial: optuna.Trial) -> FrozenTrial:
    """A running trial as its storage had it when it was claimed."""
    return trial._cached_frozen_trial


def frozen(study: optuna.Study, trial: optuna.Trial) -> FrozenTrial:
    """A running trial as its storage has it."""
    return storage_of(study).get_trial(trial_id(trial))
