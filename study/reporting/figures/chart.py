"""What a figure shows, from which print and page are drawn alike: panels, their axes, and the marks between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import log10

import numpy as np

from study.reporting.figures.marks import Letter, Mark

COLUMN, PAGE = 3.4, 7.0  # widths in print, inches: one column of a paper, and two
LETTER, LINE = 0.058, 0.125  # inches: a letter of the smallest text, about, and a line of it
ROW, _AROUND, _TITLE = 0.165, 0.62, 0.15  # inches: a row of names, what is around those of a panel, and above them
_MARGIN = 0.04  # of an axis, at each end
_MIDDLE = 0.44  # of viridis: on darker colours white is read better, on lighter ones black


@dataclass(frozen=True)
class Axis:
    """An axis of a panel.

    Attributes:
        label: What is along it, with its unit.
        log: Whether it is logarithmic.
        low: Where it begins; as the data have it if none.
        high: Where it ends.
        ticks: Where it has marks; as the limits suggest if empty.
        names: Of the ticks; of 0, 1, ... where there are no ticks.
        reversed: Whether it runs from right to left, or from above down.
        hidden: Whether it has no line, ticks and grid, and no more than its names.
    """

    label: str = ""
    log: bool = False
    low: float | None = None
    high: float | None = None
    ticks: tuple[float, ...] = ()
    names: tuple[str, ...] = ()
    reversed: bool = False
    hidden: bool = False

    @property
    def places(self) -> tuple[float, ...]:
        """Where its ticks are; empty where the limits suggest them."""
        return self.ticks or tuple(map(float, range(len(self.names))))

    def said(self, value: float) -> str:
        """A value in words: the name of the tick that it is nearest to, where ticks have names.

        Args:
            value: On it.
        """
        if self.names:
            return self.names[int(np.argmin(np.abs(np.asarray(self.places) - value)))]
        return f"{value:.4g}"


def rows_height(rows: int, title: str = "") -> float:
    """The height of a panel of so many names below one another, inches.

    Args:
        rows: Names of its vertical axis.
        title: Above it.
    """
    return _AROUND + ROW * rows + (_TITLE if title else 0.0)


@dataclass(frozen=True)
class Panel:
    """Axes and the marks between them, the first lowest.

    Attributes:
        marks: In the order of drawing.
        x: The horizontal axis.
        y: The vertical axis.
        title: Above it.
        height: In print, inches, with its labels.
        square: Whether a unit is as long on both axes.
    """

    marks: tuple[Mark, ...]
    x: Axis = Axis()
    y: Axis = Axis()
    title: str = ""
    height: float = 2.4
    square: bool = False

    def ends(self, letter: Letter) -> tuple[float, float]:
        """Where an axis begins and ends, low first: as it says, around its names, or around the marks.

        Args:
            letter: Of the axis.
        """
        axis = self.x if letter == "x" else self.y
        if axis.names and not axis.ticks:
            low, high = -0.6, len(axis.names) - 0.4
        else:
            reach = np.concatenate([mark.reach(letter) for mark in self.marks])
            reach = reach[np.isfinite(reach) & ((reach > 0) | (not axis.log))]
            low, high = (reach.min(), reach.max()) if len(reach) else (1.0, 2.0)
            low, high = _wider(low, high, axis.log)
        return float(low if axis.low is None else axis.low), float(high if axis.high is None else axis.high)


def _wider(low: float, high: float, log: bool) -> tuple[float, float]:
    """Ends with room around what lies at them."""
    if log:
        least, most = _wider(log10(low), log10(high), log=False)
        return 10**least, 10**most
    more = _MARGIN * (high - low) or max(abs(high), 1.0) * _MARGIN
    return low - more, high + more


def on_one_scale(panels: Sequence[Panel], letter: Letter) -> tuple[Panel, ...]:
    """Panels whose axes begin and end alike, so that one is read against another.

    Args:
        panels: Of a figure.
        letter: Of the axis that they are to share.
    """
    low, high = zip(*(panel.ends(letter) for panel in panels), strict=True)

    def shared(axis: Axis) -> Axis:
        return replace(axis, low=min(low), high=max(high))

    if letter == "x":
        return tuple(replace(panel, x=shared(panel.x)) for panel in panels)
    return tuple(replace(panel, y=shared(panel.y)) for panel in panels)


@dataclass(frozen=True)
class Shades:
    """The scale of colours of cells and of points with values.

    Attributes:
        label: Of what, with its unit.
        low: The value of the darkest.
        high: That of the lightest; above low.
        log: Whether it is logarithmic.
        ticks: Where it has marks; as the limits suggest if empty.
    """

    label: str
    low: float
    high: float
    log: bool = False
    ticks: tuple[float, ...] = ()

    def ink(self, value: float) -> str:
        """The colour of a text on the colour of a value: white or black, whichever is read better.

        Args:
            value: Between low and high.
        """
        scale = log10 if self.log else float
        share = (scale(value) - scale(self.low)) / (scale(self.high) - scale(self.low))
        return "white" if share < _MIDDLE else "black"


@dataclass(frozen=True)
class Chart:
    """A figure.

    Attributes:
        panels: Row by row.
        alt: What it shows, in words with numbers, for those who do not see it.
        note: What these results add to the caption, as arms that are left out.
        columns: Of the panels.
        wide: Whether it takes both columns of a paper.
        share_y: Whether panels beside one another have one vertical axis.
        shades: Of cells and of points with values.
        large: Whether the page shows it as wide as it is itself, as photos.
    """

    panels: tuple[Panel, ...]
    alt: str
    note: str = ""
    columns: int = 1
    wide: bool = False
    share_y: bool = False
    shades: Shades | None = None
    large: bool = False

    @property
    def width(self) -> float:
        """In print, inches."""
        return PAGE if self.wide else COLUMN

    @property
    def rows(self) -> list[tuple[Panel, ...]]:
        """The panels of each row."""
        return [self.panels[start : start + self.columns] for start in range(0, len(self.panels), self.columns)]

    @property
    def heights(self) -> list[float]:
        """Of the rows, inches."""
        return [max(panel.height for panel in row) for row in self.rows]

    def placed(self) -> Iterator[tuple[int, Panel]]:
        """The panels and their columns."""
        yield from ((place % self.columns, panel) for place, panel in enumerate(self.panels))

    def slanted(self, panel: Panel) -> bool:
        """Whether the names of the ticks along a panel's horizontal axis are too long to lie beside one another.

        Args:
            panel: One of its own.
        """
        return sum(len(name) + 2 for name in panel.x.names) * LETTER > 0.75 * self.width / self.columns

    def legend(self) -> list[Mark]:
        """The marks that the legend names, the first of each name."""
        named: dict[str, Mark] = {}
        for panel in self.panels:
            for mark in panel.marks:
                if mark.name and mark.listed:
                    named.setdefault(mark.name, mark)
        return list(named.values())
