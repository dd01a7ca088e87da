"""What the templates show: tables with titles and notes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

# A number stands first, as in 0.743 [0.713, 0.773], [0.713, 0.773] and p < 0.001.
_NUMBER = re.compile(r"(p\s)?[<>=~\s[]*[-+]?\.?\d")


@dataclass(frozen=True)
class Section:
    """A table with a title and notes.

    Attributes:
        title: Above it.
        notes: Sentences before it.
        columns: Heads.
        rows: Cells as text.
        best: Which rows stand out.
        folded: Whether it is looked up more than read.
    """

    title: str
    notes: list[str]
    columns: list[str]
    rows: list[list[str]]
    best: list[int] = field(default_factory=list)
    folded: bool = False


@dataclass(frozen=True)
class Cell:
    """A cell of the glance.

    Attributes:
        text: What stands in it.
        best: Whether it stands out.
    """

    text: str
    best: bool = False


@dataclass(frozen=True)
class Glance:
    """Rows of names and columns of groups.

    Attributes:
        columns: Heads.
        rows: A name with its cells each.
    """

    columns: list[str]
    rows: list[tuple[str, list[Cell]]]

    @property
    def cells(self) -> list[list[str | Cell]]:
        """Rows as a table has them, the name first."""
        return [[name, *cells] for name, cells in self.rows]


def numeric(rows: Sequence[Sequence[str | Cell]], column: int) -> bool:
    """Whether most cells of a column that hold something begin with a number.

    Args:
        rows: Of a table.
        column: Its place.
    """
    texts = [cell if isinstance(cell, str) else cell.text for cell in (row[column] for row in rows)]
    filled = [text for text in texts if text]
    return sum(bool(_NUMBER.match(text)) for text in filled) * 2 > len(filled)
