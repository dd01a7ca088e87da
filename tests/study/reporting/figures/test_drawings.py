"""Print and page show the same, and each is what its readers can take."""

import json

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import HealthCheck, given, settings
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

from study.reporting.figures.chart import Axis, Chart, Panel
from study.reporting.figures.marks import Intervals, Line, Mark, Points, Rule
from study.reporting.figures.on_page import on_page
from study.reporting.figures.on_paper import on_paper
from study.reporting.figures.palette import Look
from tests.study.reporting.figures.random_charts import charts, mosaic

LINES = (Points, Line, Intervals, Rule)


def of_panel(page: dict, place: int) -> list[dict]:
    return [trace for trace in page["data"] if trace["xaxis"] == f"x{place + 1 if place else ''}"]


def ends(page: dict, letter: str, place: int) -> list[float]:
    axis = page["layout"][f"{letter}axis{place + 1 if place else ''}"]
    return [10**end for end in axis["range"]] if axis["type"] == "log" else axis["range"]


def same_lines(marks: tuple[Mark, ...], axes: Axes, traces: list[dict]) -> None:
    """What is drawn as a line or as markers: the numbers, and the colours."""
    kept = [trace for mark, trace in zip(marks, traces, strict=True) if isinstance(mark, LINES)]
    kinds = [mark for mark in marks if isinstance(mark, LINES)]
    for mark, artist, trace in zip(kinds, axes.lines, kept, strict=True):
        x, y = (np.array(trace[letter], dtype=float) for letter in "xy")
        shown = np.asarray(artist.get_xydata(), dtype=float)
        if isinstance(mark, Rule):
            along = 0 if mark.axis == "x" else 1
            np.testing.assert_allclose([shown[:, along]], [(x, y)[along]], rtol=1e-6)
        else:
            np.testing.assert_allclose(shown, np.column_stack([x, y]), rtol=1e-6)
        color = trace["marker" if isinstance(mark, Points) else "line"]["color"]
        assert to_hex(artist.get_markeredgecolor() if isinstance(mark, Points) else artist.get_color()) == color


@pytest.mark.slow(4)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(charts())
def test_both_show_the_same_numbers_on_the_same_axes(chart):
    figure, page = on_paper(chart), on_page(chart)
    json.dumps(page, allow_nan=False)
    assert len(go.Figure(page).data) == len(page["data"])
    for place, panel in enumerate(chart.panels):
        axes = figure.axes[place]
        same_lines(panel.marks, axes, of_panel(page, place))
        np.testing.assert_allclose(ends(page, "x", place), axes.get_xlim(), rtol=1e-6)
        np.testing.assert_allclose(ends(page, "y", place), axes.get_ylim(), rtol=1e-6)
    listed = {mark.name for panel in chart.panels for mark in panel.marks if mark.name and mark.listed}
    printed = {text.get_text() for legend in figure.legends for text in legend.get_texts()}
    assert printed == listed
    assert len([trace for trace in page["data"] if trace["showlegend"]]) == len(listed)


def test_cells_values_and_pictures_are_the_same_too():
    chart = mosaic()
    figure, page = on_paper(chart), on_page(chart)
    go.Figure(page)
    cells, white, black, points = page["data"]
    drawn = np.ma.filled(figure.axes[0].collections[0].get_array(), np.nan)
    np.testing.assert_allclose(np.array(cells["z"], dtype=float), drawn.reshape(2, 3))
    assert (white["text"], white["textfont"]["color"]) == (["8", "&lt;16&gt;", "8"], "white")
    assert (black["text"], black["x"], black["y"]) == (["32", "64"], [2, 0], [0, 1])
    assert [text.get_text() for text in figure.axes[0].texts] == ["8", "<16>", "32", "64", "8"]
    np.testing.assert_allclose(10 ** np.array(points["marker"]["color"]), figure.axes[1].collections[0].get_array())
    assert 10 ** page["layout"]["coloraxis"]["cmax"] == pytest.approx(64)
    [image] = page["layout"]["images"]
    assert (image["x"], image["y"], image["sizex"]) == (0, 0, 1)
    assert figure.axes[2].images[0].get_extent() == [0, 1, 1, 0]


def test_panels_and_their_labels_have_room_on_the_page():
    page = on_page(mosaic())
    layout = page["layout"]
    left, right = (layout[f"xaxis{suffix}"]["domain"] for suffix in ("", "2"))
    upper, lower = (layout[f"yaxis{suffix}"]["domain"] for suffix in ("", "3"))
    assert left[0] == 0 < left[1] < right[0] < right[1] == 1
    assert lower[0] == 0 < lower[1] < upper[0] < upper[1] == 1
    assert layout["paper_bgcolor"] == layout["plot_bgcolor"] == "rgba(0,0,0,0)"
    assert "template" not in layout


HOSTILE = "<b>bold</b> & $x$ &lt; %{x}"


@pytest.mark.slow(6)
def test_markup_in_names_is_shown_as_it_is(browser):
    """Plotly takes some HTML in every text, and fills in templates."""
    line = Line(HOSTILE, Look(), x=np.array([0.0, 1.0]), y=np.array([0.2, 0.3]), markers=True)
    panel = Panel((line,), Axis(HOSTILE), Axis("plain", names=(HOSTILE,)), HOSTILE)
    chart = Chart((panel, Panel((line,), Axis("x"), Axis("y"))), "alt", columns=2, wide=True)
    opened = browser.new_page()
    opened.set_content("<div id='here' style='width:900px'></div>")
    opened.add_script_tag(content=plotly_js())
    opened.evaluate("page => Plotly.newPlot('here', page.data, page.layout)", on_page(chart))
    shown = opened.locator("svg text").all_text_contents()
    assert shown.count(HOSTILE) == 4  # tick, axis, title, legend
    opened.evaluate("Plotly.Fx.hover('here', [{curveNumber: 1, pointNumber: 1}], 'x2y2')")
    opened.wait_for_selector(".hoverlayer text")
    assert any(HOSTILE in text for text in opened.locator(".hoverlayer text").all_text_contents())
    opened.close()
    printed = on_paper(chart)
    assert printed.axes[0].get_title() == HOSTILE
    assert not printed.axes[0].title.get_parse_math()


def plotly_js() -> str:
    import plotly.offline

    return plotly.offline.get_plotlyjs()
