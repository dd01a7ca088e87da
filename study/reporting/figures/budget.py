"""Tuning by budget."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from study.analysis.budget import expected_by_budget, found_by_budget
from study.analysis.results import Results
from study.analysis.statistics import mean_interval
from study.reporting.figures.figure import study_figure
from study.reporting.figures.style import legend_below

_MOST = 12
_NEAR = 0.75


@study_figure(
    "Best validation mAP by tuning budget: expected of so many tries of one tuning, drawn at random (Dodge et al. "
    "2019), mean over tunings; bands: 95% intervals over tunings, none for a single one; dotted: what the search had "
    "found by then, mean over tunings."
)
def budget(results: Results) -> Figure | None:
    """Best validation mAP expected of so many tuning trials, an arm a line; dotted: what the search had found.

    Args:
        results: Of the study.

    Returns:
        The figure, none for fewer than two tuning trials of an arm.
    """
    curves = expected_by_budget(results)
    if max((curve.shape[1] for curve in curves.values()), default=0) < 2:
        return None
    table = pd.DataFrame({arm: pd.Series(curve.mean(axis=0)) for arm, curve in curves.items()})
    table.index = pd.RangeIndex(1, len(table) + 1)
    arms = table.max().sort_values(ascending=False).index[:_MOST]
    palette = dict(zip(arms, sns.color_palette("husl" if len(arms) > 10 else "colorblind", len(arms)), strict=True))
    figure, axis = plt.subplots(figsize=(5.5, 4.0), layout="constrained")
    shown = [arm for arm in arms if table[arm].max() >= _NEAR * table.max().max()]
    for arm in arms:
        found = found_by_budget(results, arm)
        axis.plot(table.index, table[arm], color=palette[arm], label=arm if arm in shown else f"{arm} (below)")
        low, high = np.transpose([mean_interval(values) for values in curves[arm].T])
        axis.fill_between(range(1, len(low) + 1), low, high, color=palette[arm], alpha=0.15, lw=0)
        axis.plot(found.index, found, color=palette[arm], ls=":", lw=1, drawstyle="steps-post")
    axis.set(xlabel="tuning trials", ylabel=f"best validation {results.map_name}")
    # An arm far below would leave the others no room.
    least, most = table[shown].min().min(), table[shown].max().max()
    axis.set_ylim(least - 0.25 * (most - least), most + 0.08 * (most - least))
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend_below(figure, axis)
    return figure
