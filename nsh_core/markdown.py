"""Plain text as Markdown."""

from __future__ import annotations

import re

# What begins a tag, code, emphasis, a formula or a cell of a table; an underscore within a word begins nothing.
_SPECIAL = re.compile(r"<(?=[A-Za-z/!?])|[\\`*$|]|&(?=#?\w+;)|(?<!\w)_|_(?!\w)")


def as_markdown(text: str) -> str:
    """Text that Markdown shows as it is, in a sentence or in a cell of a table.

    Args:
        text: Of one line.
    """
    return _SPECIAL.sub(lambda match: "&lt;" if match.group() == "<" else f"\\{match.group()}", text)
