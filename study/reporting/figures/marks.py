"""The marks of a chart: points, lines, bands, intervals, rules, cells, words and pictures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from typing_extensions import override

from study.reporting.figures.palette import Look

Numbers = npt.NDArray[np.float64]
Letter = Literal["x", "y"]  # of an axis


def numbers(values: Iterable[Any]) -> Numbers:
    """Numbers as marks hold them.

    Args:
        values: [n].
    """
    return np.asarray(list(values), dtype=float)


@dataclass(frozen=True, eq=False)
class Mark:
    """What all marks have.

    Attributes:
        name: Whom it belongs to, as an arm; marks of one name share an entry of the legend.
        look: Colour, marker and dash.
        listed: Whether the legend names it.
    """

    name: str = ""
    look: Look = field(default_factory=Look)
    listed: bool = True

    def reach(self, axis: Letter) -> Numbers:
        """What of an axis it takes, as numbers along it; a rule across takes nothing.

        Args:
            axis: Of its panel.
        """
        return numbers([])


@dataclass(frozen=True, eq=False, kw_only=True)
class Placed(Mark):
    """A mark of places.

    Attributes:
        x: [n].
        y: [n].
    """

    x: Numbers
    y: Numbers

    @override
    def reach(self, axis: Letter) -> Numbers:
        return self.x if axis == "x" else self.y


@dataclass(frozen=True, eq=False, kw_only=True)
class Points(Placed):
    """Points.

    Attributes:
        hollow: Whether they are drawn as outlines.
        size: Diameter in points.
        opacity: From 0 to 1.
        values: [n], coloured by the chart's shades in place of the look's colour; none for the look's.
        hover: [n] what the page says of each, in lines; empty for name and coordinates.
    """

    hollow: bool = False
    size: float = 4.0
    opacity: float = 1.0
    values: Numbers | None = None
    hover: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class Line(Placed):
    """A line.

    Attributes:
        markers: Whether its points are marked.
        steps: Whether it keeps a value until the next.
        width: In points.
    """

    markers: bool = False
    steps: bool = False
    width: float = 1.2


@dataclass(frozen=True, eq=False, kw_only=True)
class Band(Mark):
    """What lies between two lines.

    Attributes:
        x: [n].
        low: [n].
        high: [n].
    """

    x: Numbers
    low: Numbers
    high: Numbers

    @override
    def reach(self, axis: Letter) -> Numbers:
        return self.x if axis == "x" else np.concatenate([self.low, self.high])


@dataclass(frozen=True, eq=False, kw_only=True)
class Intervals(Mark):
    """Intervals of points, each a line along one axis; those with an end that is NaN are not drawn.

    Attributes:
        at: [n] where, on the other axis.
        low: [n].
        high: [n].
        along: The axis that low and high are of.
        width: In points.
        caps: Whether the ends are marked.
    """

    at: Numbers
    low: Numbers
    high: Numbers
    along: Letter = "y"
    width: float = 1.2
    caps: bool = True

    @override
    def reach(self, axis: Letter) -> Numbers:
        return np.concatenate([self.low, self.high]) if axis == self.along else self.at


@dataclass(frozen=True, eq=False, kw_only=True)
class Rule(Mark):
    """A line across the panel at one value.

    Attributes:
        at: The value.
        axis: That the value is of; "x" makes an upright line.
    """

    at: float
    axis: Letter = "y"

    @override
    def reach(self, axis: Letter) -> Numbers:
        return numbers([self.at] if axis == self.axis else [])


@dataclass(frozen=True, eq=False, kw_only=True)
class Cells(Mark):
    """A heat map; its cells are at 0, 1, ... of both axes and take the chart's shades.

    Attributes:
        values: [rows, columns], NaN for an empty cell.
        texts: [rows, columns] what stands in the cells.
        framed: Row and column of a cell with a frame.
    """

    values: Numbers
    texts: tuple[tuple[str, ...], ...]
    framed: tuple[int, int] | None = None

    @override
    def reach(self, axis: Letter) -> Numbers:
        return numbers([-0.5, self.values.shape[1 if axis == "x" else 0] - 0.5])


@dataclass(frozen=True, eq=False, kw_only=True)
class Texts(Placed):
    """Words beside points, also outside the axes, in the colour of the look.

    Attributes:
        texts: [n].
        side: Of the point, where they stand; "on" it for "center".
    """

    texts: tuple[str, ...]
    side: Literal["left", "right", "center"] = "right"


@dataclass(frozen=True, eq=False, kw_only=True)
class Picture(Mark):
    """A picture.

    Attributes:
        pixels: [height, width] grey or [height, width, 3], from 0 to 255.
        left: Its left edge.
        top: Its upper edge; y grows downwards, on a reversed axis.
        size: Width and height in units of the axes.
        frame: Colour of its frame; empty for none.
        crossed: Whether it is crossed out in that colour.
    """

    pixels: npt.NDArray[np.uint8]
    left: float
    top: float
    size: float
    frame: str = ""
    crossed: bool = False

    @override
    def reach(self, axis: Letter) -> Numbers:
        start = self.left if axis == "x" else self.top
        return numbers([start, start + self.size])
