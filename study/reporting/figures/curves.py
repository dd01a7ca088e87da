"""Training curves."""

from __future__ import annotations

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.figure import Figure

from nsh_core.measures import Place, measures
from study.analysis.results import Results
from study.analysis.statistics import errorbar
from study.reporting.figures.figure import study_figure
from study.reporting.figures.style import OF_MANY, colors, legend_below, line_arms


@study_figure(f"Training: validation mAP and loss by epoch, mean over seeds and its 95% interval. {OF_MANY}")
def curves(results: Results) -> Figure | None:
    """Validation mAP, SortedNCE and the anchor loss by epoch, where a method has them.

    Args:
        results: Of the study.

    Returns:
        The figure, none without any of them.
    """
    order = line_arms(results)
    table = results.tables.curves
    table = table[table.arm.isin(order)]
    panels = [one for one in measures(Place.CURVES) if (table.curve == one.series).any()]
    if not panels:
        return None
    figure, axes = plt.subplots(1, len(panels), figsize=(3.3 * len(panels), 3.0), squeeze=False, layout="constrained")
    for axis, one in zip(axes[0], panels, strict=True):
        sns.lineplot(
            table[table.curve == one.series], x="x", y="value", hue="arm", hue_order=order, palette=colors(results),
            errorbar=errorbar, ax=axis, legend=axis is axes[0][0],
        )  # fmt: skip
        axis.set(xlabel="epoch", ylabel=results.title(one))
    axes[0][0].get_legend().remove()
    legend_below(figure, axes[0][0])
    return figure
