"""Asking a storage server again that does not answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, PendingRollbackError
from tenacity import RetryCallState, retry, retry_if_exception, wait_exponential

from study.storage.optuna_internals import BEHIND_THE_CACHE
from study.storage.transactions import Transactions

PATIENCE_SECONDS = 300
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0


def patient(kind: type) -> type:
    """A storage class whose operations are repeated for up to five minutes while its server is away.

    A connection can break after the server has done as asked: what is repeated then must do no harm. Setting things
    twice does none; the queue knows duplicate trials and its own claims (study.execution.queue).

    Args:
        kind: A storage class of Optuna's.

    Returns:
        A subclass of it.
    """
    names = [name for name in dir(BaseStorage) if not name.startswith("_")]
    names += [name for name in (*BEHIND_THE_CACHE, *Transactions.__abstractmethods__) if hasattr(kind, name)]
    operations = {name: repeated(getattr(kind, name)) for name in names if name != "remove_session"}
    return type(f"Patient{kind.__name__}", (kind,), operations)


def repeated(operation: Callable[..., Any]) -> Callable[..., Any]:
    """An operation that is repeated while its server is away, after longer and longer pauses.

    Args:
        operation: Which does no harm when it is repeated.

    Returns:
        An operation of the same arguments. After PATIENCE_SECONDS it raises what the last attempt raised.
    """
    again = retry(
        retry=retry_if_exception(is_away),
        wait=wait_exponential(multiplier=_FIRST_PAUSE, max=_LONGEST_PAUSE),
        stop=_out_of_patience,
        reraise=True,
    )
    return again(operation)


def _out_of_patience(state: RetryCallState) -> bool:
    return (state.seconds_since_start or 0.0) > PATIENCE_SECONDS


def is_away(error: BaseException) -> bool:
    """Whether an error says that the server cannot be reached, or ended the connection, and may come back.

    Args:
        error: Raised by an operation of a storage.
    """
    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    if isinstance(cause, (OperationalError, InterfaceError, PendingRollbackError)):
        return True
    if isinstance(cause, DBAPIError):
        return cause.connection_invalidated
    code = getattr(cause, "code", None)
    return callable(code) and getattr(code(), "name", "") in ("UNAVAILABLE", "ABORTED")
