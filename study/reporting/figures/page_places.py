"""Where the panels of a chart lie on the page."""

from __future__ import annotations

from dataclasses import dataclass

from study.reporting.figures.chart import LETTER, Chart, Panel
from study.reporting.figures.marks import Texts

_INCH = 120  # pixels: text of 12 pixels is to these as text of 7 points is to an inch
_WIDTH = 780  # of the column of a page that is not narrow; gaps between panels are shares of it
_NARROWEST = 60  # of a panel, pixels
_TICKS, _LABEL, _TITLE, _ENTRY = 20, 22, 22, 21  # pixels: below a panel, above it, of a row of the legend


@dataclass(frozen=True)
class Place:
    """Where a panel is.

    Attributes:
        suffix: Of the names of its axes.
        x: Its left and right end, as shares of the plot.
        y: Its lower and upper end.
        shares: The suffix of the panel whose vertical axis it shares; none for an axis of its own.
    """

    suffix: str
    x: tuple[float, float]
    y: tuple[float, float]
    shares: str | None


@dataclass(frozen=True)
class Places:
    """Where all panels are.

    Attributes:
        panels: In their order.
        height: Of the figure, pixels.
        margin: Around the plot, pixels.
        legend: Its upper end, as a share of the plot's height.
    """

    panels: tuple[Place, ...]
    height: int
    margin: dict[str, int]
    legend: float


def places(chart: Chart) -> Places:
    """Lays out the panels of a chart, with room for their labels.

    Args:
        chart: To draw.
    """
    rows, count = chart.rows, min(chart.columns, len(chart.panels))
    columns = [[panel for column, panel in chart.placed() if column == wanted] for wanted in range(count)]
    before = [max(map(_before, column)) if place == 0 or not chart.share_y else 12 for place, column in
              enumerate(columns)]  # fmt: skip
    behind = [max(map(_behind, column)) for column in columns]
    between = [a + b for a, b in zip(behind, before[1:], strict=False)]
    # Where words beside panels take all of the width, panels keep some.
    across = _spread([1.0] * count, between, max(_WIDTH - before[0] - behind[-1], sum(between) + _NARROWEST * count))
    above = [max(_TITLE if panel.title else 6 for panel in row) for row in rows]
    below = [max(_below(panel, chart) for panel in row) for row in rows]
    plots = [max(60.0, _INCH * height - over - under) for height, over, under in
             zip(chart.heights, above, below, strict=True)]  # fmt: skip
    gaps = [under + over for under, over in zip(below, above[1:], strict=False)]
    inner = sum(plots) + sum(gaps)
    down = [(1 - low, 1 - high) for high, low in _spread(plots, gaps, inner)]
    panels = []
    for place, _ in enumerate(chart.panels):
        row, column = divmod(place, chart.columns)
        first = row * chart.columns
        shares = _suffix(first) if chart.share_y and column else None
        panels.append(Place(_suffix(place), across[column], down[row], shares))
    # The legend is as tall as its entries in a width that most pages have.
    entries = chart.legend()
    longest = 7 * max((len(mark.name) for mark in entries), default=0) + 50
    listed = _ENTRY * -(-len(entries) // max(1, _WIDTH // longest))
    margin = {"l": before[0], "r": behind[-1], "t": above[0], "b": below[-1] + listed}
    return Places(tuple(panels), int(inner) + above[0] + below[-1] + listed, margin, -below[-1] / inner)


def _spread(sizes: list[float], gaps: list[int], room: float) -> list[tuple[float, float]]:
    """Ends of pieces one after another, as shares of the room."""
    scale = (room - sum(gaps)) / sum(sizes)
    ends, at = [], 0.0
    for size, gap in zip(sizes, [*gaps, 0], strict=True):
        ends.append((round(at / room, 5), round(min((at + size * scale) / room, 1.0), 5)))
        at += size * scale + gap
    return ends


def _letters(names: tuple[str, ...]) -> int:
    """Pixels of the longest line."""
    return int(LETTER * _INCH * max((len(line) for name in names for line in name.split("\n")), default=0))


def _before(panel: Panel) -> int:
    """Pixels left of a panel."""
    if panel.y.hidden and not panel.y.names:
        return 6
    return max(34, _letters(panel.y.names) + 12) + (_LABEL if panel.y.label else 0)


def _behind(panel: Panel) -> int:
    """Pixels right of a panel, for the words beside its last points."""
    return max((_letters(mark.texts) for mark in panel.marks if isinstance(mark, Texts)), default=0) + 10


def _below(panel: Panel, chart: Chart) -> int:
    """Pixels below a panel."""
    if panel.x.hidden and not panel.x.names:
        return 6
    ticks = int(0.64 * _letters(panel.x.names)) + 8 if chart.slanted(panel) else _TICKS
    return ticks + (_LABEL if panel.x.label else 0)


def _suffix(place: int) -> str:
    return str(place + 1) if place else ""
