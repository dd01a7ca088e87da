"""Docstrings, in parts."""

from __future__ import annotations

import inspect
from typing import Any

from griffe import Docstring, DocstringSectionKind


def first_line(kind: Any) -> str:
    """What a class or function is, in a line.

    Args:
        kind: It.
    """
    return (inspect.getdoc(kind) or "").partition("\n")[0]


def described(kind: Any, section: str) -> dict[str, str]:
    """Names to descriptions of a section of a Google docstring.

    Args:
        kind: The class or function.
        section: "parameters" or "attributes".
    """
    parsed = Docstring(inspect.getdoc(kind) or "").parse("google", warnings=False)
    return {
        item.name: item.description
        for part in parsed
        if part.kind is DocstringSectionKind(section)
        for item in part.value
    }
