"""What the figures share: which arms, in which order and colour."""

from __future__ import annotations

import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from study.analysis.results import Results

MOST_LINES = 8
OF_MANY = "Of many arms, the eight best on validation queries and the reference."


def colors(results: Results) -> dict[str, tuple[float, float, float]]:
    """A colour for each arm, the same in every figure; where arms are many, grey for those without a line.

    Args:
        results: Of the study.
    """
    palette = sns.color_palette("colorblind")
    if len(results.arms) <= len(palette):
        return dict(zip(results.arms, palette, strict=False))
    return dict.fromkeys(results.arms, (0.75, 0.75, 0.75)) | dict(zip(line_arms(results), palette, strict=False))


def legend_below(figure: Figure, axis: Axes) -> None:
    """The axis' legend under the figure, in as many columns as its labels leave room for, at most four.

    Args:
        figure: That gets the legend.
        axis: That has the labels.
    """
    handles, labels = axis.get_legend_handles_labels()
    columns = int(figure.get_figwidth() * 13 / (max(map(len, labels)) + 6))
    figure.legend(handles, labels, loc="outside lower center", ncol=max(1, min(4, columns)), frameon=False)


def labelled_width(labels: list[str], plot: float) -> float:
    """Width of a figure, in inches, whose plot has the labels at its left.

    Args:
        labels: Of the vertical axis.
        plot: Width of the plot alone, in inches.
    """
    return plot + 0.085 * max(map(len, labels))


def line_arms(results: Results) -> list[str]:
    """Arms to draw as lines, in the order of tables: all, or the best few and the reference where they are many.

    Args:
        results: Of the study.
    """
    ranked = results.ranked_arms
    kept = {*ranked[:MOST_LINES], results.spec.reference_arm.name}
    return [arm for arm in results.arms if arm in kept]
