"""Code health and sorter fidelity."""

from __future__ import annotations

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.figure import Figure

from nsh_core.measures import Place
from study.analysis.results import Results
from study.reporting.figures.figure import study_figure
from study.reporting.figures.style import labelled_width

_MOST = 30
_COLUMNS = 3


@study_figure("Health of the database codes and fidelity of the sorter, a point a seed.")
def health(results: Results) -> Figure | None:
    """A panel a measure, a point a seed, arms by validation mAP; at most the 30 best.

    Args:
        results: Of the study.

    Returns:
        The figure, none without complete trials or measures of health.
    """
    order = results.ranked_arms[:_MOST]
    if not order:
        return None
    panels = results.measured(Place.HEALTH)
    if not panels:
        return None
    trials = results.done[results.done.arm.isin(order)]
    rows = -(-len(panels) // _COLUMNS)
    size = (labelled_width(order, 8.0), 0.7 * rows + 0.22 * rows * len(order))
    figure, axes = plt.subplots(rows, _COLUMNS, figsize=size, sharey=True, squeeze=False, layout="constrained")
    for axis, one in zip(axes.flat, panels, strict=False):
        sns.stripplot(trials, x=one.name, y="arm", order=order, ax=axis, size=4, alpha=0.6, color="0.3", jitter=0.1)
        axis.set(xlabel=results.title(one) + (f" ({one.ideal})" if one.ideal else ""), ylabel="")
        axis.set_xlim(left=0)
    for axis in axes.flat[len(panels) :]:
        axis.axis("off")
    return figure
