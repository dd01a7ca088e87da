"""What quality costs."""

from __future__ import annotations

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from study.analysis.results import Results
from study.reporting.figures.figure import study_figure
from study.reporting.figures.style import colors, legend_below, line_arms


@study_figure("Test mAP against training time, a point a seed; the cross is the mean.")
def cost(results: Results) -> Figure | None:
    """Test mAP against training seconds.

    Args:
        results: Of the study.

    Returns:
        The figure, none without complete trials.
    """
    if results.done.empty:
        return None
    palette = colors(results)
    figure, axis = plt.subplots(figsize=(5.5, 4.0), layout="constrained")
    for arm in line_arms(results):
        trials = results.done[results.done.arm == arm]
        axis.scatter(trials.train_seconds, trials.test_map, s=14, alpha=0.5, color=palette[arm])
        mean = trials[["train_seconds", "test_map"]].mean()
        axis.scatter(
            mean.train_seconds,
            mean.test_map,
            s=70,
            marker="X",
            color=palette[arm],
            label=arm,
            edgecolor="white",
        )
    axis.set(xlabel="training time of one run (s)", ylabel=f"test {results.map_name}")
    axis.set_xlim(left=0)
    legend_below(figure, axis)
    return figure
