"""Draws charts for plotly, as the plain data and layout that its JavaScript reads, on no background of their own."""

from __future__ import annotations

from math import log10

from study.reporting.figures.chart import Axis, Chart, Shades
from study.reporting.figures.page_marks import Drawing, drawn, literal
from study.reporting.figures.page_places import places
from study.reporting.figures.palette import QUIET

_GRID = "rgba(128,128,128,0.22)"


def on_page(chart: Chart) -> Drawing:
    """A chart as {"data": [...], "layout": {...}}, which JSON can hold.

    Colours are read on white and on dark; a page that knows its own may set layout.font.color.

    Args:
        chart: To draw.
    """
    found, entries = places(chart), chart.legend()
    layout: Drawing = {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"size": 12, "color": QUIET},
        "height": found.height,
        "margin": found.margin,
        "hovermode": "closest",
        "showlegend": bool(entries),
        "legend": {
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": found.legend,
            "yanchor": "top",
            "tracegroupgap": 0,
            "maxheight": 1,
        },
        "annotations": [],
        "shapes": [],
        "images": [],
    }
    data: list[Drawing] = []
    for panel, place in zip(chart.panels, found.panels, strict=True):
        layout[f"xaxis{place.suffix}"] = _axis(panel.x, panel.ends("x"), place.x) | {"anchor": f"y{place.suffix}"}
        layout[f"yaxis{place.suffix}"] = _axis(panel.y, panel.ends("y"), place.y) | {"anchor": f"x{place.suffix}"}
        if chart.slanted(panel):
            layout[f"xaxis{place.suffix}"]["tickangle"] = -40
        if place.shares is not None:
            layout[f"yaxis{place.suffix}"] |= {"matches": f"y{place.shares}", "showticklabels": False, "title": {}}
        if panel.square:
            layout[f"xaxis{place.suffix}"] |= {"constrain": "domain", "constraintoward": "left"}
            layout[f"yaxis{place.suffix}"] |= {
                "scaleanchor": f"x{place.suffix}", "constrain": "domain", "constraintoward": "top"
            }  # fmt: skip
        if panel.title:
            layout["annotations"].append(
                {"text": literal(panel.title), "x": sum(place.x) / 2, "y": place.y[1], "xref": "paper",
                 "yref": "paper", "xanchor": "center", "yanchor": "bottom", "showarrow": False}
            )  # fmt: skip
        for mark in panel.marks:
            # Of the marks of a name the legend has the first.
            listed = mark in entries
            data += [trace | {"showlegend": listed} for trace in drawn(mark, panel, chart, place, layout)]
            if listed:
                entries.remove(mark)
    if chart.shades is not None:
        layout["coloraxis"] = _shades(chart.shades, found.margin["r"])
    return {"data": data, "layout": layout}


def _axis(axis: Axis, ends: tuple[float, float], domain: tuple[float, float]) -> Drawing:
    at = [log10(end) for end in ends] if axis.log else list(ends)
    shown: Drawing = {
        "title": {"text": literal(axis.label), "standoff": 6},
        "type": "log" if axis.log else "linear",
        "domain": list(domain),
        "gridcolor": _GRID,
        "zeroline": False,
        "range": at[::-1] if axis.reversed else at,
        "visible": bool(axis.names) or not axis.hidden,
        "showgrid": not axis.hidden,
    }
    if axis.log and not axis.places:
        shown["dtick"] = "D2"  # 1, 2 and 5 of each power of ten
    if axis.places:
        names = axis.names or [f"{tick:g}" for tick in axis.places]
        shown |= {"tickmode": "array", "tickvals": list(axis.places), "ticktext": [literal(name) for name in names]}
    return shown


def _shades(shades: Shades, apart: int) -> Drawing:
    scale = log10 if shades.log else float
    bar: Drawing = {"title": {"text": literal(shades.label), "side": "right"}, "thickness": 14, "outlinewidth": 0}
    bar |= {"x": 1, "xpad": apart}
    if shades.ticks:
        bar |= {"tickvals": [scale(tick) for tick in shades.ticks], "ticktext": [f"{tick:g}" for tick in shades.ticks]}
    return {"colorscale": "Viridis", "cmin": scale(shades.low), "cmax": scale(shades.high), "colorbar": bar}
