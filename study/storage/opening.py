"""Opens Optuna storage: a journal file by default, sqlite:///, postgresql:// and grpc:// URLs too."""

from __future__ import annotations

import importlib.util
import os
import random
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, JournalStorage
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError, SQLAlchemyError

from nsh_core.errors import UserError
from study.storage.journal import DamagedLine, JournalFile
from study.storage.place import scheme_of, secrets_hidden, shown
from study.storage.retry import PATIENCE_SECONDS, patient, repeated

_CONNECT = {
    "sqlite": {"timeout": 60},
    "postgresql": {"connect_timeout": 10},
}
_MAKERS = 5


def is_shared(url: str) -> bool:
    """Whether a storage is a server, in front of which many processes may stand.

    Args:
        url: Path or URL of a storage.
    """
    return url.startswith(("postgresql", "grpc"))


@contextmanager
def storage_errors(url: str) -> Iterator[None]:
    """Turns what storage can raise into a UserError of one line, without passwords.

    Args:
        url: Path or URL of the storage, for the message.

    Yields:
        Nothing; the block may use the storage.

    Raises:
        UserError: The storage is locked, unreachable, damaged or unusable, or needs a package that is missing.
    """
    try:
        yield
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        cause = getattr(error, "orig", None) or error.__cause__ or error
        line = " ".join(str(getattr(cause, "orig", None) or cause).split())
        raise UserError(
            f"storage {shown(url)} is locked, unreachable or unusable: {secrets_hidden(line, url)}"
        ) from None
    except ModuleNotFoundError as error:
        raise UserError(f"storage {shown(url)} needs the package {error.name}: pip install it") from None
    except DamagedLine as error:
        raise UserError(
            f"storage {shown(url)}: {error}: on the command line --check lists all damage, --repair sets it aside"
        ) from None
    except OSError as error:
        raise UserError(f"cannot use storage {shown(url)}: {error.strerror or error}") from None
    except Exception as error:
        # grpc is optional: its errors are known by their module.
        if not type(error).__module__.startswith("grpc"):
            raise
        details = getattr(error, "details", str)() or error
        raise UserError(f"storage {shown(url)} is unreachable or unusable: {' '.join(str(details).split())}") from None


def open_storage(url: str, patiently: bool = False) -> BaseStorage:
    """Storage at a path (journal file) or URL.

    What a server does not answer for a while, as when it is restarted, is asked again; see study.storage.retry.

    Args:
        url: Path of a journal file, or a URL; see study.storage.place.KINDS.
        patiently: Whether the server itself is waited for too, as by a worker, whose storage was there a moment ago.

    Raises:
        UserError: It cannot be used.
    """
    with storage_errors(url):
        scheme = scheme_of(url)
        if scheme is None:
            return _journal(Path(url))
        if scheme == "grpc":
            return _proxy(url, patiently)
        # Only here, since journals have no use for SQLAlchemy's models.
        from study.storage.optuna_database import RereadingStorage
        from study.storage.postgres import Postgres

        kind = patient(Postgres) if scheme == "postgresql" else RereadingStorage
        connect = partial(_connect, partial(kind, url, engine_kwargs=_engine(scheme)))
        try:
            return repeated(connect)() if patiently else connect()
        except (ImportError, ValueError, RuntimeError) as error:
            line = " ".join(str(error).split())
            raise UserError(f"storage {shown(url)}: {secrets_hidden(line, url)}") from None


def _engine(scheme: str) -> dict[str, Any]:
    return {"connect_args": _CONNECT[scheme]}


def _connect(open_: Callable[[], BaseStorage]) -> BaseStorage:
    """Opens a database, of which several processes may be making the tables at this moment."""
    for _ in range(_MAKERS):
        try:
            return open_()
        except (IntegrityError, ProgrammingError, OperationalError) as error:
            # SQLite says of a table that another made first what it says of a file that it cannot open, too.
            if isinstance(error, OperationalError) and "already exists" not in str(error):
                raise
            time.sleep(random.uniform(0.1, 1.0))
    return open_()


def _proxy(url: str, patiently: bool) -> BaseStorage:
    place = make_url(url)
    if place != URL.create("grpc", host=place.host, port=place.port) or not (place.host and place.port):
        raise UserError(f"storage {shown(url)} must be grpc://HOST:PORT")
    if importlib.util.find_spec("grpc") is None:
        raise UserError(f"storage {shown(url)} needs the package grpcio: pip install '.[cluster]'")
    from optuna.storages import GrpcStorageProxy

    from study.storage.remote import Remote

    host = f"[{place.host}]" if ":" in place.host else place.host
    with warnings.catch_warnings(action="ignore", category=optuna.exceptions.ExperimentalWarning):
        storage = patient(Remote)(host=host, port=place.port)
        # The channel is lazy: ask something, so that a mistake in the URL shows here, and soon.
        storage.wait_server_ready(timeout=PATIENCE_SECONDS if patiently else 10)
        return storage if storage.serves_steps() else patient(GrpcStorageProxy)(host=host, port=place.port)


def _journal(path: Path) -> BaseStorage:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        if path.is_dir() or not os.access(path, os.R_OK | os.W_OK):
            raise UserError(f"cannot use storage {path}: not a file that can be read and written")
        with path.open("rb") as file:
            first = file.readline()
        if first and not first.startswith(b"{"):
            raise UserError(
                f"storage {path} is no Optuna journal (for SQLite write sqlite:///{path}); choose another file"
            )
    return JournalStorage(JournalFile(str(path)))
