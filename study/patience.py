"""Asking a storage server again that does not answer."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

PATIENCE_SECONDS = 300
_LONGEST_PAUSE = 5.0


def patient(kind: type) -> type:
    """A storage class whose operations are repeated for up to five minutes while its server is away.

    A connection can break after the server has done as asked: what is repeated then must do no harm. Setting things
    twice does none; the queue knows duplicate trials and its own claims (study.queue).
    """
    operations = {
        name: _repeated(getattr(kind, name))
        for name in dir(BaseStorage)
        if not name.startswith("_") and callable(getattr(kind, name)) and name not in ("remove_session",)
    }
    return type(f"Patient{kind.__name__}", (kind,), operations)


def _repeated(operation: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(operation)
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
    if isinstance(cause, (OperationalError, InterfaceError)):
        return True
    if isinstance(cause, DBAPIError):
        return cause.connection_invalidated
    code = getattr(cause, "code", None)
    return callable(code) and getattr(code(), "name", "") in ("UNAVAILABLE", "ABORTED")
