"""What quality costs."""

from __future__ import annotations

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from nsh_core.measures import RESULT
from study.analysis.results import Results
from study.reporting.figures.figure import study_figure
from study.reporting.figures.style import colors, legend_below, line_arms


@study_figure(
    "Test mAP, with its 95% interval, against training time where a run has the machine to itself: mean, least and "
    "most of the repeats."
)
def cost(results: Results) -> Figure | None:
    """Test mAP against training seconds, an arm a point.

    Args:
        results: Of the study.

    Returns:
        The figure, none where cost was not measured (--measure-cost).
    """
    measured = results.tables.cost
    if measured.empty or results.done.empty:
        return None
    palette = colors(results)
    summary = results.summary_of(RESULT)
    figure, axis = plt.subplots(figsize=(5.5, 4.0), layout="constrained")
    for arm in line_arms(results):
        seconds = measured[measured.arm == arm].train_seconds
        if seconds.empty:
            continue
        row = summary.loc[arm]
        spread = [[seconds.mean() - seconds.min()], [seconds.max() - seconds.mean()]]
        interval = [[row["mean"] - row.both_low], [row.both_high - row["mean"]]] if row.n > 1 else None
        axis.errorbar(
            seconds.mean(), row["mean"], xerr=spread, yerr=interval, fmt="o", capsize=3, color=palette[arm], label=arm
        )
    axis.set(xlabel="training time of one run (s)", ylabel=f"test {results.map_name}")
    axis.set_xlim(left=0)
    legend_below(figure, axis)
    return figure
