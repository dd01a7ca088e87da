"""Tuning by budget."""

from __future__ import annotations

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from study.analysis.budget import expected_by_budget, found_by_budget
from study.analysis.results import Results
from study.reporting.figures.figure import study_figure
from study.reporting.figures.style import legend_below

_MOST = 12
_NEAR = 0.75


@study_figure(
    "Best validation mAP by tuning budget: expected of so many of the trials, drawn at random (Dodge et al. 2019); "
    "dotted: what the search had found by then, mean over its repeats."
)
def budget(results: Results) -> Figure | None:
    """Best validation mAP expected of so many tuning trials, an arm a line; dotted: what the search had found.

    Args:
        results: Of the study.

    Returns:
        The figure, none for fewer than two tuning trials of an arm.
    """
    table = expected_by_budget(results)
    if len(table) < 2:
        return None
    arms = table.max().sort_values(ascending=False).index[:_MOST]
    palette = dict(zip(arms, sns.color_palette("husl" if len(arms) > 10 else "colorblind", len(arms)), strict=True))
    figure, axis = plt.subplots(figsize=(5.5, 4.0), layout="constrained")
    shown = [arm for arm in arms if table[arm].max() >= _NEAR * table.max().max()]
    for arm in arms:
        found = found_by_budget(results, arm)
        axis.plot(table.index, table[arm], color=palette[arm], label=arm if arm in shown else f"{arm} (below)")
        axis.plot(found.index, found, color=palette[arm], ls=":", lw=1, drawstyle="steps-post")
    axis.set(xlabel="tuning trials", ylabel=f"best validation {results.map_name}")
    # An arm far below would leave the others no room.
    low, high = table[shown].min().min(), table[shown].max().max()
    axis.set_ylim(low - 0.25 * (high - low), high + 0.08 * (high - low))
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend_below(figure, axis)
    return figure
