"""What is handed over in Python, checked as a command line checks it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from numbers import Integral
from pathlib import Path
from typing import Any, TypeVar, get_args

from nsh_core.errors import UserError
from nsh_core.registry import nearest

T = TypeVar("T")
Called = TypeVar("Called", bound=Callable[..., object] | None)

_MOST_SHOWN = 80


def in_short(value: object) -> str:
    """A value as messages show it, in a line: of an array type and shape, of others how their repr begins.

    Args:
        value: Of any kind.
    """
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and shape:
        return f"{type(value).__name__} {list(shape)}"
    text = repr(value).replace("\n", " ")
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."


def names(what: str, value: Iterable[str]) -> list[str]:
    """A list of names.

    Args:
        what: What the message calls it.
        value: As given.

    Raises:
        UserError: It is a single text, or no list of texts.
    """
    if isinstance(value, str):
        raise UserError(f"{what} must be a list, got {in_short(value)}: write [{in_short(value)}]")
    if not isinstance(value, Iterable):
        raise UserError(f"{what} must be a list of texts, got {in_short(value)}")
    return list(map(str, value))


def count(what: str, value: object) -> int:
    """A number of something.

    Args:
        what: What the message calls it.
        value: As given.

    Raises:
        UserError: It is no whole number of at least 1.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise UserError(f"{what} must be a whole number of at least 1, got {in_short(value)}")
    return int(value)


def optional_count(what: str, value: object) -> int | None:
    """A number of something, or none where none was given; see count."""
    return None if value is None else count(what, value)


def one_of(what: str, value: T, allowed: Any) -> T:
    """A value of a literal type.

    Args:
        what: What the message calls it.
        value: As given.
        allowed: The type.

    Raises:
        UserError: It is another value.
    """
    known = get_args(allowed)
    if value not in known:
        raise UserError(f"{what} must be one of {', '.join(known)}, got {in_short(value)}{nearest(str(value), known)}")
    return value


def path(what: str, value: str | os.PathLike[str]) -> Path:
    """The path of a file or folder.

    Args:
        what: What the message calls it.
        value: As given.

    Raises:
        UserError: It is no path.
    """
    if not isinstance(value, (str, os.PathLike)):
        raise UserError(f"{what} must be a path, got {in_short(value)}")
    return Path(value)


def called(what: str, value: Called) -> Called:
    """What is called as a run goes on, or none where none was given.

    Args:
        what: What the message calls it.
        value: As given.

    Raises:
        UserError: It cannot be called.
    """
    if value is not None and not callable(value):
        raise UserError(f"{what} must be a function, got {in_short(value)}")
    return value
