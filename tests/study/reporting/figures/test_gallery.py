"""Pictures of what arms retrieve: right and wrong are told apart, names of any length stay beside them."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from study.analysis.gallery import Gallery
from study.analysis.results import Results
from study.reporting.figures.marks import Picture
from study.reporting.figures.on_page import on_page
from study.reporting.figures.on_paper import on_paper
from study.reporting.figures.palette import RIGHT, WRONG
from tests.study.reporting.figures.test_figures import drawn, marks
from tests.study.reporting.test_document import synthetic


def with_pictures(names: list[str], side: int = 8, queries: int = 2) -> Results:
    """Arm a finds the items from place a on; every second item is right."""
    results = synthetic({name: 0.5 + place / 100 for place, name in enumerate(names)}, 2)
    nearest = np.stack([np.tile(np.arange(10) + place, (queries, 1)) for place in range(len(names))])
    items = 10 + len(names)
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (items, side, side, 3), dtype=np.uint8)
    relevant = np.tile(np.arange(items) % 2 == 0, (queries, 1))
    return replace(results, gallery=Gallery(np.array(names), nearest, pictures[:queries], pictures, relevant))


def test_wrong_pictures_are_crossed_out_in_the_colour_of_wrong():
    chart = drawn(with_pictures(["a", "b", "c"]), "gallery")
    pictures = marks(chart, Picture)
    framed = [one for one in pictures if one.frame]
    assert len(pictures) == 2 * (1 + 3 * 10)
    assert len(framed) == 2 * 3 * 10
    assert {(one.frame, one.crossed) for one in framed} == {(RIGHT, False), (WRONG, True)}
    assert sum(one.crossed for one in framed) == len(framed) / 2
    assert "mean over the queries: a 5.0, b 5.0, c 5.0." in chart.alt
    assert not chart.large
    assert drawn(with_pictures(["a", "b"], side=32), "gallery").large
    assert chart.note == ""


def test_arms_that_are_not_shown_are_told():
    chart = drawn(with_pictures([f"arm {place}" for place in range(12)]), "gallery")
    assert chart.note == "Of 12 arms the 9 best on validation queries are drawn, references among them."


@pytest.mark.parametrize("letters", [3, 40, 300])
def test_names_of_any_length_are_whole_and_beside_the_pictures(letters):
    name = ("sorter=W, " * letters)[: letters - 1] + "W"
    figure = on_paper(drawn(with_pictures([name, "b"]), "gallery"))
    FigureCanvasAgg(figure).draw()
    [axes] = figure.axes
    left = axes.get_window_extent().x0
    boxes = [label.get_window_extent() for label in axes.get_yticklabels()]
    assert all(box.x0 >= 0 and box.x1 <= left for box in boxes)
    assert not any(one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[:place])
    assert axes.get_yticklabels()[0].get_text().replace("\n", "").replace(" ", "") == name.replace(" ", "")


def test_photos_are_no_larger_on_the_page_than_it_shows_them():
    many = [on_page(drawn(with_pictures(["a", "b"], side), "gallery"))["layout"]["images"] for side in (8, 96, 400)]
    few, own, large = (sum(len(image["source"]) for image in images) for images in many)
    assert large < 1.5 * own
    assert many[0][0]["source"].startswith("data:image/png")
    assert many[2][0]["source"].startswith("data:image/jpeg")
    assert few < own
