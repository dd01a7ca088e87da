"""What a figure of a study is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.figure import Figure

from study.analysis.results import Results
from study.reporting.figures.chart import Chart

Figures = Callable[[Results], "Chart | Figure | None"]


@dataclass(frozen=True)
class StudyFigure:
    """A figure of a study.

    Attributes:
        caption: What stands below it; a chart may add to it.
        draw: Gives it, or none where it has nothing to show: a chart, which print and page draw, or a matplotlib
            Figure, of which the page has the picture.
    """

    caption: str
    draw: Figures

    def __call__(self, results: Results) -> Chart | Figure | None:
        """The figure of some results."""
        return self.draw(results)


def study_figure(caption: str) -> Callable[[Figures], StudyFigure]:
    """A decorator: the function draws a figure with that caption.

    Args:
        caption: What stands below it.

    Returns:
        What makes a StudyFigure of the function.
    """
    return lambda draw: StudyFigure(caption, draw)
