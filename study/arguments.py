"""What is handed to a study in Python, checked as a command line checks it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, get_args

from nsh_core.errors import UserError
from nsh_core.registry import nearest
from nsh_core.settings import parse_assignments

T = TypeVar("T")


def names(what: str, value: Sequence[str]) -> list[str]:
    """A list of names.

    Args:
        what: What the message calls it.
        value: As given.

    Raises:
        UserError: It is a single text.
    """
    if isinstance(value, str):
        raise UserError(f"{what} must be a list, got {value!r}: write [{value!r}]")
    return list(map(str, value))


def count(what: str, value: object) -> int | None:
    """A number of something, or none where none was given.

    Args:
        what: What the message calls it.
        value: As given.

    Raises:
        UserError: It is no whole number of at least 1.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UserError(f"{what} must be a whole number of at least 1, got {value!r}")
    return value


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
        raise UserError(f"{what} must be one of {', '.join(known)}, got {value!r}{nearest(str(value), known)}")
    return value


def assignments(settings: Mapping[str, Any] | Sequence[str]) -> tuple[str, ...]:
    """Overrides as a command line has them, "a.b=c", so that the same ones are the same study.

    Args:
        settings: By dotted name, or as a command line has them.

    Raises:
        UserError: It is neither.
    """
    if not isinstance(settings, Mapping):
        return tuple(names("settings", settings))
    texts = []
    for name, value in settings.items():
        plain = f"{name}={value}"
        same = isinstance(value, str) and parse_assignments([plain]).get(name) == value
        try:
            texts.append(plain if same else f"{name}={json.dumps(value)}")
        except (TypeError, ValueError):
            raise UserError(f"settings: {name} must be a plain value, got {value!r}") from None
    return tuple(texts)
