"""What the templates show: tables with titles and notes."""

from __future__ import annotations

from dataclasses import dataclass, field


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
