"""Draws the marks of charts for plotly: traces, and what belongs into a layout."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from functools import singledispatch
from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from study.reporting.figures.chart import Chart, Panel
from study.reporting.figures.marks import Band, Cells, Intervals, Line, Mark, Picture, Points, Rule, Texts
from study.reporting.figures.page_places import Place
from study.reporting.figures.palette import QUIET

Drawing = dict[str, Any]
_PIXELS = 96  # of a picture, along its longer side
_LARGER = 1.6  # pixels a point: of marks, which are looked at from farther away
_SYMBOLS = {
    "o": "circle", "s": "square", "D": "diamond", "^": "triangle-up", "v": "triangle-down", "P": "cross", "X": "x",
    "*": "star",
}  # fmt: skip
# Of plotly's few entities all readers of a label know these; a $ begins a formula where MathJax is about.
_LITERAL = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "$": "&#36;"})


def literal(text: str) -> str:
    """A text as plotly shows it, in which it takes some HTML for markup.

    Args:
        text: Of any characters.
    """
    return text.translate(_LITERAL).replace("\n", "<br>")


@singledispatch
def drawn(mark: Mark, panel: Panel, chart: Chart, place: Place, layout: Drawing) -> list[Drawing]:
    """The traces of a mark.

    Args:
        mark: To draw.
        panel: That it is in.
        chart: That the panel is in.
        place: Of the panel.
        layout: Gets what is no trace: shapes and images.
    """
    raise TypeError(f"no drawing of {type(mark).__name__}")


@drawn.register
def _(mark: Points, panel: Panel, chart: Chart, place: Place, layout: Drawing) -> list[Drawing]:
    marker = _marker(mark, mark.size) | {"opacity": mark.opacity}
    if mark.values is not None and chart.shades is not None:
        values = np.log10(mark.values) if chart.shades.log else mark.values
        marker |= {"color": _plain(values), "coloraxis": "coloraxis", "line": {"width": 1, "color": QUIET}}
    said = _hover(mark, panel, mark.hover)
    return [_trace(mark, place, mode="markers", x=_plain(mark.x), y=_plain(mark.y), marker=marker, **said)]


@drawn.register
def _(mark: Line, panel: Panel, chart: Chart, place: Place, layout: Drawing) -> list[Drawing]:
    width = mark.width * _LARGER
    line = {"color": mark.look.color, "dash": mark.look.dash, "width": width, "shape": "hv" if mark.steps else "linear"}
    more = {"mode": "lines+markers", "marker": _marker(mark, 3.5)} if mark.markers else {"mode": "lines"}
    return [_trace(mark, place, x=_plain(mark.x), y=_plain(mark.y), line=line, **more, **_hover(mark, panel))]


@drawn.register
def _(mark: Band, panel: Panel, chart: Chart, place: Place, layout: Drawing) -> list[Drawing]:
    known = np.isfinite(mark.low) & np.isfinite(mark.high)
    x, low, high = mark.x[known], mark.low[known], mark.high[known]
    around = {"x": _plain([*x, *x[::-1]]), "y": _plain([*high, *low[::-1]]), "fill": "toself", "mode": "lines"}
    faint = {"fillcolor": _faint(mark.look.color), "line": {"width": 0}, "hoverinfo": "skip"}
    return [_trace(mark, place, **around, **faint)]


@drawn.register
def _(mark: Intervals, panel: Panel, chart: Chart, place: Place, layout: Drawing) -> list[Drawing]:
    color, width = mark.look.color, mark.width * _LARGER
    gaps = np.full(len(mark.at), np.nan)
    ends = _plain(np.column_stack([mark.low, mark.high, gaps]).ravel())
    at = _plain(np.column_stack([mark.at, mark.at, gaps]).ravel())
    x, y = (ends, at) if mark.along == "x" else (at, ends)
    symbol = "line-ns-open" if mark.along == "x" else "line-ew-open"
    caps = {"marker": {"symbol": symbol, "size": 8, "color": color, "line": {"width": width}}} if mark.caps else {}
    mode = "lines+markers" if mark.caps else "lines"
    line = {"color": color, "width": width}
    return [_trace(mark, place, mode=mode, x=x, y=y, line=line, hoverinfo="skip", **caps)]


@drawn.register
def _(mark: Rule, panel: Panel, chart: Chart, place: Place, layout: Drawing) -> list[Drawing]:
    at, across = _plain([mark.at, mark.at]), _plain(panel.ends("y" if mark.axis == "x" else "x"))
    x, y = (at, across) if mark.axis == "x" else (across, at)
    line = {"color": mark.look.color, "dash": mark.look.dash, "width": 1.4}
    said = {"hovertext": literal(f"{mark.name}\n{mark.at:.4g}".strip()), "hoverinfo": "text"}
    return [_trace(mark, place, mode="lines", x=x, y=y, line=line, **said)]


@drawn.register
def _(mark: Cells, panel: Panel, chart: Chart, place: Place, layout: Drawing) -> list[Drawing]:
    hover = [
        [literal(f"{panel.y.label}: {panel.y.said(y)}\n{panel.x.label}: {panel.x.said(x)}\n{text}")
         for x, text in enumerate(row)]
        for y, row in enumerate(mark.texts)
    ]  # fmt: skip
    if mark.framed is not None:
        y, x = mark.framed
        for color, width in (("white", 5), ("black", 2)):
            layout["shapes"].append(_box(place, x - 0.5, y - 0.5, 1) | {"line": {"color": color, "width": width}})
    cells: Drawing = {
        "type": "heatmap", "z": [_plain(row) for row in mark.values], "hovertext": hover, "hoverinfo": "text",
        "coloraxis": "coloraxis", "xgap": 1, "ygap": 1, "xaxis": f"x{place.suffix}", "yaxis": f"y{place.suffix}",
    }  # fmt: skip
    return [cells, *(_words(mark, ink, chart, place) for ink in ("white", "black"))]


def _words(mark: Cells, ink: str, chart: Chart, place: Place) -> Drawing:
    """The texts of those cells on which they are read in one colour; plotly's own choice is faint between."""
    assert chart.shades is not None
    known = np.argwhere(np.isfinite(mark.values))
    here = [(row, column) for row, column in known if chart.shades.ink(mark.values[row, column]) == ink]
    texts = [literal(mark.texts[row][column]) for row, column in here]
    font = {"textfont": {"color": ink, "size": 12}, "hoverinfo": "skip"}
    x, y = _plain(column for _, column in here), _plain(row for row, _ in here)
    return _trace(mark, place, mode="text", x=x, y=y, text=texts, **font)


@drawn.register
def _(mark: Texts, panel: Panel, chart: Chart, place: Place, layout: Drawing) -> list[Drawing]:
    side = {"left": "middle left", "right": "middle right", "center": "middle center"}[mark.side]
    words = {"mode": "markers+text", "text": [literal(text) for text in mark.texts], "textposition": side}
    # Unseen markers keep the words as far from the points as they are in print.
    unseen = {"marker": {"opacity": 0, "size": 12}}
    look = {"textfont": {"color": mark.look.color, "size": 12}, "cliponaxis": False, "hoverinfo": "skip"}
    return [_trace(mark, place, x=_plain(mark.x), y=_plain(mark.y), **words, **unseen, **look)]


@drawn.register
def _(mark: Picture, panel: Panel, chart: Chart, place: Place, layout: Drawing) -> list[Drawing]:
    source = _inline(mark.pixels)
    layout["images"].append(
        {"source": source, "x": mark.left, "y": mark.top, "sizex": mark.size, "sizey": mark.size, "sizing": "stretch",
         "xref": f"x{place.suffix}", "yref": f"y{place.suffix}", "layer": "below"}
    )  # fmt: skip
    box = _box(place, mark.left, mark.top, mark.size) | {"line": {"color": mark.frame, "width": 2}}
    layout["shapes"] += ([box] if mark.frame else []) + ([box | {"type": "line"}] if mark.crossed else [])
    return []


def _inline(pixels: npt.NDArray[np.uint8]) -> str:
    """A picture as a URL, its pixels as squares if they are few; no larger than the page can show it."""
    few, file = max(1, _PIXELS // max(pixels.shape[:2])), io.BytesIO()
    picture = Image.fromarray(pixels.repeat(few, axis=0).repeat(few, axis=1))
    picture.thumbnail((_PIXELS, _PIXELS))
    kind = "JPEG" if few == 1 else "PNG"
    picture.save(file, kind)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"


def _trace(mark: Mark, place: Place, **more: Any) -> Drawing:
    trace = {"type": "scatter", "xaxis": f"x{place.suffix}", "yaxis": f"y{place.suffix}"} | more
    return trace | ({"name": literal(mark.name), "legendgroup": literal(mark.name)} if mark.name else {})


def _box(place: Place, left: float, top: float, size: float) -> Drawing:
    ends = {"x0": left, "x1": left + size, "y0": top, "y1": top + size}
    return {"type": "rect", "xref": f"x{place.suffix}", "yref": f"y{place.suffix}"} | ends


def _hover(mark: Points | Line, panel: Panel, own: tuple[str, ...] = ()) -> Drawing:
    """What is said of each point: its own words, or whose it is and where."""
    if own or panel.x.names or panel.y.names:
        texts = own or [_said(mark, panel, x, y) for x, y in zip(mark.x, mark.y, strict=True)]
        return {"hovertext": [literal(text) for text in texts], "hoverinfo": "text"}
    # Shorter than a text a point; a % in words is not of the template.
    words = [literal(text).replace("%", "&#37;") for text in (mark.name, panel.x.label, panel.y.label)]
    template = f"{words[0]}<br>{words[1]}: %{{x:.4~g}}<br>{words[2]}: %{{y:.4~g}}<extra></extra>"
    return {"hovertemplate": template.removeprefix("<br>")}


def _said(mark: Mark, panel: Panel, x: float, y: float) -> str:
    where = [f"{axis.label}: {axis.said(value)}".removeprefix(": ") for axis, value in ((panel.x, x), (panel.y, y))]
    return "\n".join([mark.name, *where] if mark.name else where)


def _marker(mark: Mark, size: float) -> Drawing:
    hollow = isinstance(mark, Points) and mark.hollow
    symbol = _SYMBOLS[mark.look.marker] + ("-open" if hollow else "")
    return {"symbol": symbol, "size": size * _LARGER, "color": mark.look.color, "line": {"width": 1.5 if hollow else 0}}


def _faint(color: str) -> str:
    red, green, blue = (int(color[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.18)"


def _plain(values: Iterable[float]) -> list[float | None]:
    """Numbers as JSON has them, to seven digits; none for NaN."""
    return [float(f"{value:.7g}") if isfinite(value) else None for value in values]
