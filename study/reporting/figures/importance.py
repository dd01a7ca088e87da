"""Importance of tuned settings."""

from __future__ import annotations

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.figure import Figure

from study.analysis.importance import importances
from study.analysis.results import Results
from study.reporting.figures.figure import study_figure


@study_figure(
    "Importance of the tuned settings: share of the variance of validation mAP that each explains (fANOVA), by "
    "arm. Of some twenty trials that is a hint, no measurement."
)
def importance(results: Results) -> Figure | None:
    """Share of the variance of validation mAP that each setting explains, an arm a row.

    Args:
        results: Of the study.

    Returns:
        The figure, none where no arm has enough tuning trials.
    """
    table = importances(results.tables.trials)
    if table.empty:
        return None
    shares = table.pivot(index="arm", columns="setting", values="fanova").reindex(table.arm.unique())
    shares = shares[shares.mean().sort_values(ascending=False).index]
    size = (2.2 + 1.0 * shares.shape[1], 1.9 + 0.36 * len(shares))
    figure, axis = plt.subplots(figsize=size, layout="constrained")
    labels = [str(name).rpartition(".")[2].replace("_", "\n") for name in shares]
    sns.heatmap(shares, ax=axis, annot=True, fmt=".2f", cmap="Blues", vmin=0, vmax=1, xticklabels=labels, cbar=False)
    axis.set(xlabel="", ylabel="")
    axis.grid(False)
    axis.tick_params(axis="x", rotation=0)
    axis.tick_params(axis="y", rotation=0)
    return figure
