"""What a figure of a study is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.figure import Figure

from study.analysis.results import Results


@dataclass(frozen=True)
class StudyFigure:
    """A figure of a study.

    Attributes:
        caption: What stands below it.
        draw: Gives it, or none where it has nothing to show.
    """

    caption: str
    draw: Callable[[Results], Figure | None]

    def __call__(self, results: Results) -> Figure | None:
        """The figure of some results."""
        return self.draw(results)


def study_figure(caption: str) -> Callable[[Callable[[Results], Figure | None]], StudyFigure]:
    """A decorator: the function draws a figure with that caption.

    Args:
        caption: What stands below it.

    Returns:
        What makes a StudyFigure of the function.
    """
    return lambda draw: StudyFigure(caption, draw)
