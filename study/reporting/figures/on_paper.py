"""Draws charts by matplotlib, at the width that they have in print."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import singledispatch
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from study.reporting.figures.chart import LETTER, Axis, Chart, Panel, Shades
from study.reporting.figures.marks import Band, Cells, Intervals, Letter, Line, Mark, Picture, Points, Rule, Texts

SMALLEST = 7.0  # points, of all text
_CMAP = "viridis"
_HANDLE, _ENTRY = 0.5, 0.155  # inches: of a legend's mark with what is around it, of its line
_DASHES: dict[str, Any] = {
    "solid": "-", "dash": (0, (4, 2)), "dot": (0, (1, 1.5)), "dashdot": (0, (4, 1.5, 1, 1.5)),
    "longdash": (0, (8, 2)), "longdashdot": (0, (8, 1.5, 1, 1.5)),
}  # fmt: skip
# Seaborn's, at the sizes that print asks for, in the font that comes with matplotlib. Type 42 is TrueType, which
# publishers ask for in place of Type 3; a $ is a $.
_STYLE: Any = {
    **sns.axes_style("ticks"), **sns.plotting_context("paper"),
    "font.sans-serif": ["DejaVu Sans"], "patch.force_edgecolor": False,
    "pdf.fonttype": 42, "ps.fonttype": 42, "text.parse_math": False,
    "font.size": 7.5, "axes.titlesize": 8, "axes.labelsize": 7.5, "xtick.labelsize": SMALLEST,
    "ytick.labelsize": SMALLEST, "legend.fontsize": SMALLEST, "figure.titlesize": 8,
    "axes.grid": True, "grid.color": "0.9", "grid.linewidth": 0.6, "axes.axisbelow": True, "axes.linewidth": 0.6,
    "axes.edgecolor": "0.4", "axes.spines.top": False, "axes.spines.right": False, "xtick.major.size": 2.5,
    "ytick.major.size": 2.5, "xtick.major.width": 0.6, "ytick.major.width": 0.6, "legend.frameon": False,
    "axes.titlepad": 4, "axes.labelpad": 3,
}  # fmt: skip


@contextmanager
def styled() -> Iterator[None]:
    """The look of all figures.

    Yields:
        Nothing; what is drawn or written in the block has it.
    """
    with plt.rc_context(_STYLE):
        yield


def on_paper(chart: Chart) -> Figure:
    """A chart as a matplotlib Figure that pyplot does not know.

    Args:
        chart: To draw.
    """
    with styled():
        entries = chart.legend()
        longest = max((len(mark.name) for mark in entries), default=0)
        columns = max(1, min(len(entries), int(chart.width / (_HANDLE + LETTER * longest))))
        room = _ENTRY * -(-len(entries) // columns) + 0.1 if entries else 0.0
        figure = Figure(figsize=(chart.width, sum(chart.heights) + room), layout="constrained")
        grid = figure.subplots(
            len(chart.rows), chart.columns, squeeze=False, sharey="row" if chart.share_y else False,
            height_ratios=chart.heights,
        )  # fmt: skip
        for axes, (column, panel) in zip(grid.flat, chart.placed(), strict=False):
            _panel(axes, panel, chart, bare=chart.share_y and column > 0)
        for axes in grid.flat[len(chart.panels) :]:
            axes.set_axis_off()
        if chart.shades is not None:
            _bar(figure, grid, chart.shades)
        if entries:
            figure.legend(handles=[_handle(mark) for mark in entries], loc="outside lower center", ncols=columns)
        return figure


def _panel(axes: Axes, panel: Panel, chart: Chart, bare: bool) -> None:
    for place, mark in enumerate(panel.marks):
        _draw(mark, axes, chart, 2 + place / 100)
    _axis(axes, panel.x, "x", panel.ends("x"))
    _axis(axes, panel.y, "y", panel.ends("y"))
    if chart.slanted(panel):
        axes.tick_params(axis="x", labelrotation=40)
        for label in axes.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
    if bare:
        axes.tick_params(labelleft=False)
        axes.set_ylabel("")
    axes.set_title(panel.title)
    if panel.square:
        # Elsewhere the layout would not see how far names reach.
        axes.set_aspect("equal", anchor="SW")


def _axis(axes: Axes, axis: Axis, letter: Letter, ends: tuple[float, float]) -> None:
    of = getattr(axes, f"{letter}axis")
    if axis.log:
        getattr(axes, f"set_{letter}scale")("log")
    if axis.places:
        of.set_ticks(axis.places, labels=axis.names or [f"{tick:g}" for tick in axis.places])
        of.set_minor_locator(NullLocator())
    elif axis.log:
        # In place of powers of ten, which few axes span.
        of.set_major_locator(LogLocator(subs=(1, 2, 5)))
        of.set_major_formatter(FuncFormatter(lambda value, place: f"{value:g}"))
        of.set_minor_formatter(NullFormatter())
    getattr(axes, f"set_{letter}lim")(ends[::-1] if axis.reversed else ends)
    getattr(axes, f"set_{letter}label")(axis.label)
    if axis.hidden:
        of.set_visible(bool(axis.names))
        of.set_tick_params(length=0)
        of.grid(visible=False)
        axes.spines["bottom" if letter == "x" else "left"].set_visible(False)


def _bar(figure: Figure, grid: Any, shades: Shades) -> None:
    bar = figure.colorbar(ScalarMappable(_norm(shades), _CMAP), ax=grid, label=shades.label, pad=0.02, aspect=30)
    if shades.ticks:
        bar.set_ticks(shades.ticks, labels=[f"{tick:g}" for tick in shades.ticks])
        bar.minorticks_off()
    bar.outline.set_visible(False)


def _norm(shades: Shades) -> Normalize:
    return (LogNorm if shades.log else Normalize)(shades.low, shades.high)


def _handle(mark: Mark) -> Any:
    """What stands before a name in the legend."""
    look = mark.look
    if isinstance(mark, Band):
        return Patch(color=look.color, alpha=0.2, lw=0, label=mark.name)
    line = _DASHES[look.dash] if isinstance(mark, Line | Rule) else "-" if isinstance(mark, Intervals) else "none"
    marked = isinstance(mark, Points) or (isinstance(mark, Line) and mark.markers)
    return Line2D([], [], color=look.color, ls=line, lw=1.2, label=mark.name, **_marker(mark, 4.0) if marked else {})


def _marker(mark: Mark, size: float) -> dict[str, Any]:
    hollow = isinstance(mark, Points) and mark.hollow
    face = "white" if hollow else mark.look.color
    return {"marker": mark.look.marker, "ms": size, "mec": mark.look.color, "mfc": face, "mew": 0.9 if hollow else 0.4}


@singledispatch
def _draw(mark: Mark, axes: Axes, chart: Chart, order: float) -> None:
    raise TypeError(f"no drawing of {type(mark).__name__}")


@_draw.register
def _(mark: Points, axes: Axes, chart: Chart, order: float) -> None:
    if mark.values is None:
        axes.plot(mark.x, mark.y, ls="none", alpha=mark.opacity, zorder=order, **_marker(mark, mark.size))
        return
    assert chart.shades is not None
    axes.scatter(
        mark.x, mark.y, s=mark.size**2, c=mark.values, marker=mark.look.marker, alpha=mark.opacity, zorder=order,
        cmap=_CMAP, norm=_norm(chart.shades), edgecolors="0.3", linewidths=0.5,
    )  # fmt: skip


@_draw.register
def _(mark: Line, axes: Axes, chart: Chart, order: float) -> None:
    marker: dict[str, Any] = _marker(mark, 3.5) if mark.markers else {}
    axes.plot(
        mark.x, mark.y, color=mark.look.color, ls=_DASHES[mark.look.dash], lw=mark.width, zorder=order,
        drawstyle="steps-post" if mark.steps else "default", **marker,
    )  # fmt: skip


@_draw.register
def _(mark: Band, axes: Axes, chart: Chart, order: float) -> None:
    axes.fill_between(mark.x, mark.low, mark.high, color=mark.look.color, alpha=0.15, lw=0, zorder=order)


@_draw.register
def _(mark: Intervals, axes: Axes, chart: Chart, order: float) -> None:
    # Both ends in one broken line: an artist a mark, however many intervals.
    gaps = np.full(len(mark.at), np.nan)
    ends = np.column_stack([mark.low, mark.high, gaps]).ravel()
    at = np.column_stack([mark.at, mark.at, gaps]).ravel()
    x, y = (ends, at) if mark.along == "x" else (at, ends)
    cap: dict[str, Any] = {"marker": "|" if mark.along == "x" else "_", "ms": 5, "mew": mark.width} if mark.caps else {}
    axes.plot(x, y, color=mark.look.color, lw=mark.width, zorder=order, solid_capstyle="butt", **cap)


@_draw.register
def _(mark: Rule, axes: Axes, chart: Chart, order: float) -> None:
    draw = axes.axvline if mark.axis == "x" else axes.axhline
    draw(mark.at, color=mark.look.color, ls=_DASHES[mark.look.dash], lw=0.9, zorder=order)


@_draw.register
def _(mark: Cells, axes: Axes, chart: Chart, order: float) -> None:
    assert chart.shades is not None
    rows, columns = mark.values.shape
    axes.grid(visible=False)
    axes.pcolormesh(
        np.arange(columns + 1) - 0.5, np.arange(rows + 1) - 0.5, np.ma.masked_invalid(mark.values), cmap=_CMAP,
        norm=_norm(chart.shades), zorder=order, edgecolors="white", linewidth=0.5,
    )  # fmt: skip
    for row, column in np.argwhere(~np.isnan(mark.values)):
        shade = chart.shades.ink(mark.values[row, column])
        axes.text(
            column, row, mark.texts[row][column], color=shade, ha="center", va="center", fontsize=SMALLEST,
            zorder=order + 0.001,
        )  # fmt: skip
    if mark.framed is not None:
        corner = (mark.framed[1] - 0.5, mark.framed[0] - 0.5)
        # Black between white: seen on every shade.
        for color, width in (("white", 4.0), ("black", 1.8)):
            axes.add_patch(Rectangle(corner, 1, 1, fill=False, ec=color, lw=width, zorder=order + 0.002, clip_on=False))


@_draw.register
def _(mark: Texts, axes: Axes, chart: Chart, order: float) -> None:
    side = {"left": (-6, "right"), "right": (6, "left"), "center": (0, "center")}[mark.side]
    for x, y, text in zip(mark.x, mark.y, mark.texts, strict=True):
        axes.annotate(
            text, (x, y), xytext=(side[0], 0), textcoords="offset points", ha=side[1], va="center",
            fontsize=SMALLEST, color=mark.look.color, annotation_clip=False, zorder=order,
        )  # fmt: skip


@_draw.register
def _(mark: Picture, axes: Axes, chart: Chart, order: float) -> None:
    left, right, top, bottom = mark.left, mark.left + mark.size, mark.top, mark.top + mark.size
    axes.imshow(
        mark.pixels, extent=(left, right, bottom, top), cmap="gray" if mark.pixels.ndim == 2 else None, vmin=0,
        vmax=255, aspect="auto", zorder=order,
    )  # fmt: skip
    if mark.frame:
        axes.add_patch(
            Rectangle((left, top), mark.size, mark.size, fill=False, lw=1.6, ec=mark.frame, zorder=order + 0.001)
        )
    if mark.crossed:
        axes.plot([left, right], [top, bottom], color=mark.frame, lw=1.2, zorder=order + 0.001)
