"""What the figures share: which arms, in which order and colour."""

from __future__ import annotations

from typing import Literal

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nsh_core.measures import RESULT
from study.analysis.results import Results
from study.reporting.figures.marks import Rule
from study.reporting.figures.palette import Look, family, look, looks

MOST_LINES = 8
OF_MANY = "Of many arms, the eight best on validation queries and the reference."

FEWEST = 3  # seeds; the interval of fewer says nothing that one would draw


def looks_of(results: Results) -> dict[str, Look]:
    """The look of each arm, the same in every figure.

    Args:
        results: Of the study.
    """
    known = looks(results.spec.arms)
    found = [arm for arm in results.arms if arm not in known]  # of a mode that finds its arms
    return known | {arm: look(len(known) + place) for place, arm in enumerate(found)}


def by_length(results: Results, arms: list[str]) -> dict[str, dict[str, str]]:
    """Arms by code length, where that is a factor beside others; all together where it is not.

    Args:
        results: Of the study.
        arms: Of the study, in any order, which is kept.

    Returns:
        Title of each group, empty for the only one, to its arms and what they are called there.
    """
    known = {arm.name: arm for arm in results.spec.arms}
    bits = results.done.groupby("arm").bits.first()
    families = {arm: family(known[arm]) if arm in known else "" for arm in arms}
    if bits[arms].nunique() < 2 or not all(families.values()):
        return {"": {arm: results.marked(arm) for arm in arms}}
    groups: dict[str, dict[str, str]] = {f"{length:.0f} bits": {} for length in sorted(bits[arms].unique())}
    for arm in arms:
        groups[f"{bits[arm]:.0f} bits"][arm] = families[arm] + results.marked(arm).removeprefix(arm)
    return groups


def estimates(results: Results, measure: str = RESULT) -> pd.DataFrame:
    """Mean, low and high of a measure by arm, the ends of its 95% interval NaN for fewer than three seeds.

    Args:
        results: Of the study.
        measure: Its name.
    """
    summary = results.summary_of(measure)
    ends = summary[["both_low", "both_high"]].where(summary.n >= FEWEST).set_axis(["low", "high"], axis=1)
    return ends.assign(mean=summary["mean"], n=summary.n)


def continuous(results: Results, axis: Literal["x", "y"]) -> Rule:
    """The test mAP of the continuous input as a line.

    Args:
        results: Of the study.
        axis: That mAP is along.
    """
    at = results.facts.continuous.test_map
    return Rule("continuous input, cosine", Look(dash="dash"), at=at, axis=axis)


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
