"""Every arm with its seeds and interval."""

from __future__ import annotations

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.figure import Figure

from study.analysis.results import Results
from study.reporting.figures.figure import study_figure
from study.reporting.figures.style import labelled_width

_MOST = 60


@study_figure("Test mAP of each arm: a point a seed, the mean and the 95% interval of the table of arms.")
def arms(results: Results) -> Figure | None:
    """Test mAP of each arm, best on validation first, at most the 60 best; what learns from labels last.

    Args:
        results: Of the study.

    Returns:
        The figure, none without complete trials.
    """
    ceilings = results.ceilings
    order = [*results.contenders(results.ranked_arms)[: _MOST - len(ceilings)], *ceilings]
    if not order:
        return None
    summary = results.summary_of("test_map").loc[order]
    figure, axis = plt.subplots(figsize=(labelled_width(order, 5.0), 1.0 + 0.28 * len(order)), layout="constrained")
    trials = results.done[results.done.arm.isin(order)]
    sns.stripplot(trials, x="test_map", y="arm", order=order, ax=axis, size=4, alpha=0.55, color="0.45", jitter=0.12)
    places = range(len(order))
    spread = [summary["mean"] - summary.both_low, summary.both_high - summary["mean"]]
    blue = sns.color_palette("colorblind")[0]
    axis.errorbar(summary["mean"], places, xerr=spread, fmt="D", ms=5, color=blue, capsize=3, zorder=5)
    axis.axvline(results.facts.continuous.test_map, ls="--", color="0.4", lw=1, label="continuous input, cosine")
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.35 / (1.0 + 0.28 * len(order)) - 0.08), frameon=False)
    axis.set_yticks(places, [results.marked(arm) for arm in order])
    axis.set(xlabel=f"test {results.map_name}", ylabel="")
    return figure
