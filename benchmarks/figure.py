"""Cost against n, project and reference, on logarithmic axes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns


def draw(lines: list[dict[str, Any]], path: Path) -> None:
    """Writes a figure with a panel for each case that has several n; seconds of the anchors measured, for n anchors.

    Args:
        lines: Of the table.
        path: Of the figure.
    """
    table = pd.DataFrame(lines)
    table = table[table.groupby("name").n.transform("nunique") > 1]
    for side in ("reference", "project"):
        table[f"{side}_s"] = table[f"{side}_s"].astype(float) * table.n / table.anchors
    long = table.melt(["name", "n"], ["reference_s", "project_s"], "side", "seconds").dropna()
    long["side"] = long.side.str.removesuffix("_s")
    with sns.axes_style("whitegrid"), sns.plotting_context("paper"):
        grid = sns.relplot(
            long, x="n", y="seconds", hue="side", style="side", col="name", col_wrap=3, kind="line", markers=True,
            palette={"reference": "0.45", "project": "C0"}, height=2.3, aspect=1.25,
        )  # fmt: skip
        grid.set(xscale="log", yscale="log")
        ticks = sorted(long.n.unique())[::2]
        grid.set(xticks=ticks, xticklabels=ticks)
        grid.set_titles("{col_name}")
        grid.set_axis_labels("n, batch", "seconds")
        grid.legend.set_title("")
        grid.savefig(path, dpi=150, metadata={"Software": None})
    plt.close(grid.figure)
