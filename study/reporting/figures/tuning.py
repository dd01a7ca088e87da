"""What the tuning trials found."""

from __future__ import annotations

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.figure import Figure

from study.analysis.budget import tuning_of
from study.analysis.judged import judged
from study.analysis.results import Results
from study.reporting.figures.figure import study_figure
from study.reporting.figures.style import labelled_width


@study_figure("Tuning: the objective, validation mAP unless another is named, of every complete trial.")
def tuning(results: Results) -> Figure | None:
    """The objective of every complete tuning trial, an arm a row, the default and the best of each tuning marked.

    Args:
        results: Of the study.

    Returns:
        The figure, none without complete tuning trials.
    """
    trials = results.tables.trials
    over = trials[(trials.phase == "tuning") & (trials.state == "complete")]
    if over.empty or results.spec.tune is None:
        return None
    goal = results.spec.tune
    over = over.assign(**judged(over, goal))
    order = list(over.arm.unique())
    figure, axis = plt.subplots(figsize=(labelled_width(order, 4.5), 1.0 + 0.28 * len(order)), layout="constrained")
    sns.stripplot(over, x="value", y="arm", order=order, ax=axis, size=4, alpha=0.55, color="0.45", jitter=0.12)
    palette = sns.color_palette("colorblind")
    default = over[over.tuned == "{}"].set_index("arm").value
    tries = over[over.feasible].groupby(["arm", tuning_of(results, over).rename("tuning"), "tuned"]).value.mean()
    best = tries.groupby(level=["arm", "tuning"]).max().droplevel("tuning")
    for values, marker, size, color, what in (
        (default, "|", 120, palette[1], "default settings"),
        (best, "D", 30, palette[0], "chosen by a tuning"),
    ):
        axis.scatter(values, values.index.map(order.index), marker=marker, s=size, color=color, zorder=4, label=what)
    axis.set(xlabel=f"{goal.title(results.map_name)} of a tuning run", ylabel="")
    figure.legend(loc="outside lower center", ncol=2, frameon=False)
    return figure
