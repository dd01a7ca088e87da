"""Precision-recall curves by Hamming radius."""

from __future__ import annotations

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from study.analysis.results import Results
from study.reporting.figures.figure import study_figure
from study.reporting.figures.style import OF_MANY, colors, legend_below, line_arms


@study_figure(f"Precision against recall on test queries, by growing Hamming radius, mean over seeds. {OF_MANY}")
def pr(results: Results) -> Figure | None:
    """Mean over seeds of precision and recall on test queries, a point a radius.

    Args:
        results: Of the study.

    Returns:
        The figure, none without these curves.
    """
    table = results.tables.curves
    table = table[table.curve.isin(["test_precision_by_radius", "test_recall_by_radius"])]
    if table.empty:
        return None
    means = table.pivot_table(index=["arm", "x"], columns="curve", values="value")
    palette = colors(results)
    figure, axis = plt.subplots(figsize=(5.5, 4.6), layout="constrained")
    for arm in line_arms(results):
        line = means.loc[arm].dropna()
        axis.plot(
            line.test_recall_by_radius, line.test_precision_by_radius, marker=".", ms=4, lw=1.2,
            label=arm, color=palette[arm],
        )  # fmt: skip
    axis.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    legend_below(figure, axis)
    return figure
