"""Settings that are handed to a study in Python, as a command line has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nsh_core.arguments import names
from nsh_core.settings import as_json, parse_assignments


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
        texts.append(plain if same else f"{name}={as_json(f'settings: {name}', value)}")
    return tuple(texts)
