"""Quality, training time and code length together."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from study.analysis.results import Results
from study.reporting.figures.figure import study_figure


@study_figure(
    "Left: every configuration explored, by training time and validation mAP, colour: code length; diamonds: "
    "those that none beats in all three, mean over fresh seeds. Right: their test mAP, 95% intervals."
)
def pareto(results: Results) -> Figure | None:
    """Every complete tuning trial, and the front: its test mAP over fresh seeds.

    Args:
        results: Of the study.

    Returns:
        The figure, none for a mode that compares arms or without complete final trials.
    """
    trials, done = results.tables.trials, results.done
    if results.mode.compares or done.empty:
        return None
    over = trials[(trials.phase == "tuning") & (trials.state == "complete")]
    scale = LogNorm(over.bits.min(), max(over.bits.max(), over.bits.min() + 1))
    figure, axes = plt.subplots(1, 2, figsize=(9.0, 3.8), sharey=True, layout="constrained")
    shared = {"c": over.bits, "cmap": "viridis", "norm": scale}
    axes[0].scatter(over.train_seconds, over.val_map, s=18, alpha=0.75, **shared)
    means = done.groupby("arm", sort=False)[["train_seconds", "val_map", "test_map", "bits"]].mean()
    for axis, metric in zip(axes, ("val_map", "test_map"), strict=True):
        axis.scatter(
            means.train_seconds, means[metric], s=70, marker="D", c=means.bits, cmap="viridis", norm=scale,
            edgecolors="black",
        )  # fmt: skip
    summary = results.summary_of("test_map").loc[means.index]
    spread = np.array([summary["mean"] - summary.both_low, summary.both_high - summary["mean"]])
    if not np.isnan(spread).any():
        axes[1].errorbar(means.train_seconds, means.test_map, yerr=spread, fmt="none", ecolor="0.3", capsize=3, lw=1)
    for _, row in means.iterrows():
        axes[1].annotate(f"{row.bits:.0f} bits", (row.train_seconds, row.test_map), xytext=(6, 4),
                         textcoords="offset points", fontsize=8)  # fmt: skip
    axes[0].set(title="validation queries; diamonds: the front, fresh seeds", ylabel=results.map_name)
    axes[1].set(title="the front, test queries, mean over seeds")
    for axis in axes:
        axis.set_xlabel("training time of one run (s)")
        axis.set_xlim(left=0)
    bar = figure.colorbar(plt.cm.ScalarMappable(scale, "viridis"), ax=axes, label="bits")
    ticks = sorted({int(over.bits.min()), *(b for b in (16, 32, 64) if over.bits.min() < b < over.bits.max()),
                    int(over.bits.max())})  # fmt: skip
    bar.set_ticks(ticks, labels=[str(tick) for tick in ticks])
    bar.minorticks_off()
    return figure
