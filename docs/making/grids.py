"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nsh_core.markdown import as_markdown


def grid(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table.

    Args:
        heads: Of its columns.
        rows: Of cells that are Markdown.
    """
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def code(text: object) -> str:
    """A cell that is code.

    Args:
        text: Without a backtick.
    """
    return "`" + str(text).replace("|", "\\|") + "`" if str(text) else ""


def plain(text: str) -> str:
    """A cell of text that is as it is, but for code between backticks.

    Args:
        text: Of any lines.
    """
    parts = " ".join(text.split()).split("`")
    return "".join(code(part) if place % 2 else as_markdown(part) for place, part in enumerate(parts))
