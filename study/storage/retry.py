"""Asking a storage server again that does not answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, PendingRollbackError

PATIENCE_SECONDS = 300
_LONGEST_PAUSE = 5.0
# What Optuna's cache calls of the storage behind it, beside the public operations.
_BEHIND_THE_CACHE = ("_get_trials", "_create_new_trial")


def patient(kind: type) -> type:
    """A storage class whose operations are repeated for up to five minutes while its server is away.

    A connection can break after the server has done as asked: what is repeated then must do no harm. Setting things
    twice does none; the queue knows duplicate trials and its own claims (study.execution.queue).
    """
    names = [name for name in dir(BaseStorage) if not name.startswith("_")]
    names += [name for name in _BEHIND_THE_CACHE if hasattr(kind, name)]
    operations = {name: repeated(getattr(kind, name)) for name in names if name != "remove_session"}
    return type(f"Patient{kind.__name__}", (kind,), operations)


def repeated(operation: Callable[..., Any]) -> Callable[..., Any]:
    """An operation that is tried again while its server is away."""

    def call(*arguments: Any, **options: Any) -> Any:
        deadline, pause = time.monotonic() + PATIENCE_SECONDS, 0.1
        while True:
            try:
                return operation(*arguments, **options)
            except Exception as error:
                if not is_away(error) or time.monotonic() > deadline:
                    raise
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    return call


def is_away(error: BaseException) -> bool:
    """Whether an error says that the server cannot be reached, or ended the connection, and may come back."""
    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    if isinstance(cause, (OperationalError, InterfaceError, PendingRollbackError)):
        return True
    if isinstance(cause, DBAPIError):
        return cause.connection_invalidated
    code = getattr(cause, "code", None)
    return callable(code) and getattr(code(), "name", "") in ("UNAVAILABLE", "ABORTED")
