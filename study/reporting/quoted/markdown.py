"""Tables and lists in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table.

    Args:
        columns: Heads.
        rows: Cells, as Markdown.
    """
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def joined(parts: Sequence[str], comma: str = ", ") -> str:
    """Parts of a sentence: "a, b and c", or "none".

    Args:
        parts: Any number.
        comma: Between them; a semicolon stands before "and", too.
    """
    if len(parts) < 2:
        return parts[0] if parts else "none"
    return f"{comma.join(parts[:-1])}{';' if comma == '; ' else ''} and {parts[-1]}"
