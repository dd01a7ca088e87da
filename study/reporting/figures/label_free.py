"""Label-free quantities against test mAP."""

from __future__ import annotations

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.figure import Figure

from nsh_core.measures import MEASURES
from study.analysis.label_free import called, rank_correlations
from study.analysis.results import Results
from study.reporting.figures.figure import study_figure


@study_figure(
    "Selecting without labels: rank correlation of each quantity with test mAP over the arms, signed so that 1 "
    "selects perfectly; 95% bootstrap interval over arms."
)
def label_free(results: Results) -> Figure | None:
    """Rank correlation over arms of each label-free quantity with test mAP, and of validation mAP beside them.

    Args:
        results: Of the study.

    Returns:
        The figure, none for fewer than three arms or where nothing varies.
    """
    if results.done.empty:
        return None
    table = rank_correlations(results.done)
    if table.empty:
        return None
    figure, axis = plt.subplots(figsize=(6.0, 0.8 + 0.32 * len(table)), layout="constrained")
    palette = sns.color_palette("colorblind")
    places = range(len(table))
    for place, row in zip(places, table.to_dict("records"), strict=True):
        color = palette[1] if MEASURES[row["quantity"]].needs_labels else palette[0]
        spread = [[max(0.0, row["rho"] - row["ci_low"])], [max(0.0, row["ci_high"] - row["rho"])]]
        axis.errorbar(row["rho"], place, xerr=spread, fmt="D", ms=5, capsize=3, color=color)
    axis.set_yticks(list(places), [called(MEASURES[name], results.map_name) for name in table.quantity])
    axis.invert_yaxis()
    axis.axvline(0, color="0.4", lw=1)
    axis.set(xlim=(-1.05, 1.05), xlabel=f"rank correlation with test {results.map_name} over {table.arms.max()} arms")
    return figure
