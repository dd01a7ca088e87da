"""Where a storage is: the path of a journal or a URL, which may hold a password, and what of it may be shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nsh_core.errors import UserError
from nsh_core.registry import nearest

KINDS = "a journal file's path, sqlite:///FILE, postgresql://USER:PASSWORD@HOST/DATABASE, grpc://HOST:PORT"
JOURNAL = "optuna.journal"
_SCHEMES = ("sqlite", "postgresql", "grpc")
_OPTION = "--storage"
_OPEN = ("host", "port", "dbname")


def shown(text: str) -> str:
    """A storage as messages and files with results name it: without user, password and options.

    Args:
        text: Path or URL of a storage.
    """
    scheme = _scheme(text)
    if "://" not in text and not _is_no_path(text):
        return text
    if "://" not in text:
        return f"{scheme if nearest(scheme, _SCHEMES) else ''}..."
    url = _url(text)
    if url is None:
        return f"{scheme}://..."
    if scheme == "sqlite":
        return f"{url.drivername}:///{url.database}"
    if "@" in f"{url.host}{url.database}":
        return f"{scheme}://..."
    return type(url).create(url.drivername, host=url.host, port=url.port, database=url.database).render_as_string()


def scheme_of(text: str) -> str | None:
    """The kind of a storage.

    Args:
        text: Path or URL of a storage.

    Returns:
        "sqlite", "postgresql" or "grpc"; none for the path of a journal file.

    Raises:
        UserError: It is neither, or a URL of another kind; the message hides what may be a password.
    """
    if "://" not in text:
        if _is_no_path(text):
            raise UserError(
                f"storage {shown(text)} looks like a URL and is none, allowed: {KINDS}; a path that holds : or ? "
                "begins with ./ or /"
            )
        return None
    scheme = _scheme(text).partition("+")[0]
    if scheme not in _SCHEMES:
        raise UserError(f"storage {shown(text)} is of an unknown kind, allowed: {KINDS}{nearest(scheme, _SCHEMES)}")
    url = _url(text)
    if url is None or (scheme != "sqlite" and "@" in f"{url.host}{url.database}"):
        raise UserError(
            f"storage {shown(text)} is no URL that can be read, allowed: {KINDS}; in a user name or password write @ "
            "as %40, : as %3A, / as %2F"
        )
    return scheme


def without_secrets(arguments: Sequence[str]) -> list[str]:
    """A command line whose storage is only shown.

    Args:
        arguments: As typed.
    """
    masked = []
    for before, argument in zip(["", *arguments], arguments, strict=False):
        name, equals, value = argument.partition("=")
        if name == _OPTION and equals:
            masked.append(f"{name}={shown(value)}")
        else:
            masked.append(shown(argument) if before == _OPTION else argument)
    return masked


def secrets_hidden(message: str, text: str) -> str:
    """A message of a driver without what the URL keeps to itself.

    Args:
        message: In one line.
        text: Path or URL of a storage.
    """
    url = _url(text)
    if url is None:
        return message
    values = [url.password, *(value for name, value in url.query.items() if name not in _OPEN)]
    for secret in filter(None, values):
        message = message.replace(str(secret), "***")
    # A user's name may be an everyday word: drivers quote it.
    return message.replace(f'"{url.username}"', '"***"')


def _url(text: str) -> Any:
    """A URL as SQLAlchemy reads it; none where it cannot."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(text)
    except (ArgumentError, ValueError):
        return None


def _scheme(text: str) -> str:
    return text.partition("/")[0].partition(":")[0]


def _is_no_path(text: str) -> bool:
    """Whether a text without :// is a mistyped URL: with USER:PASSWORD@, with HOST:PORT, or with other signs."""
    if "@" in text.partition(":")[2]:
        return True
    scheme = _scheme(text)
    mistyped = text.startswith(f"{scheme}//") and nearest(scheme, _SCHEMES)
    return not text.startswith(("/", ".")) and (":" in text.partition("/")[0] or "?" in text or bool(mistyped))
