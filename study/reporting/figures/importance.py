"""Importance of tuned settings."""

from __future__ import annotations

from math import ceil

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from study.analysis.importance import WAYS
from study.analysis.results import Results
from study.analysis.statistics import ALPHA
from study.reporting.figures.figure import study_figure
from study.reporting.figures.style import legend_below

_COLUMNS = 3
_APART = 0.16


@study_figure(
    "Importance of the tuned settings, each arm by itself over its own search space: the share of the variance of the "
    "objective, validation mAP unless another is named, that a setting alone explains (fANOVA), and of the variance of "
    "being among the best quarter of the tries (PED-ANOVA). Lines: the middle 95% of resampled tries. Hollow: that the "
    "objective depends on the setting at all is not shown (p of .05 and more). Arms with fewer than 20 tries are left "
    "out."
)
def importance(results: Results) -> Figure | None:
    """Shares of variance by setting with their intervals, a panel an arm.

    Args:
        results: Of the study.

    Returns:
        The figure, none where no arm has enough tuning trials.
    """
    table = results.importances
    if table.empty:
        return None
    order = list(table.groupby("setting").fanova.mean().sort_values(ascending=False).index)
    arms = list(table.arm.unique())
    columns = min(_COLUMNS, len(arms))
    rows = ceil(len(arms) / columns)
    size = (1.4 + 2.6 * columns, 0.8 + (0.5 + 0.26 * len(order)) * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, sharex=True, squeeze=False, layout="constrained")
    for axis, arm in zip(axes.flat, arms, strict=False):
        own = table[table.arm == arm].set_index("setting")
        _panel(axis, own.loc[[name for name in order if name in own.index]])
        axis.set_title(f"{arm}, {own.tries.iloc[0]} tries", fontsize="medium")
        axis.tick_params(labelbottom=True)
    for axis in axes.flat[len(arms) :]:
        axis.set_axis_off()
    for axis in axes.flat[: len(arms)][-columns:]:
        axis.set_xlabel("share of variance")
    legend_below(figure, axes.flat[0])
    return figure


def _panel(axis: Axes, own: pd.DataFrame) -> None:
    """The settings of an arm, most important ones above."""
    places = np.arange(len(own))
    palette = sns.color_palette("colorblind")
    shown = own.p.to_numpy() < ALPHA
    for way, marker, color, shift in zip(WAYS, "oD", palette, (-_APART, _APART), strict=False):
        axis.hlines(places + shift, own[f"{way}_low"], own[f"{way}_high"], color=color, lw=1.5)
        for which, face in ((shown, color), (~shown, "white")):
            x, y, label = own[way][which], (places + shift)[which], WAYS[way] if face == color else None
            axis.scatter(x, y, marker=marker, s=26, facecolor=face, edgecolor=color, zorder=3, label=label)
    axis.set_yticks(places, [str(name).rpartition(".")[2] for name in own.index])
    axis.set(xlim=(-0.02, 1.02), ylim=(len(own) - 0.5, -0.5))
