"""Code health and sorter fidelity."""

from __future__ import annotations

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.figure import Figure

from study.analysis.results import Results
from study.reporting.figures.style import labelled_width, ranked_arms

_PANELS = {
    "bit_balance": "bit balance (0 best)",
    "bit_correlation": "bit correlation (0 best)",
    "bit_entropy": "bit entropy (1 best)",
    "effective_codes": "effective number of codes",
    "dead_bits": "share of dead bits (0 best)",
    "sorter_fidelity": "sorter fidelity (1: hard sort)",
}
_MOST = 30


def health(results: Results) -> Figure | None:
    """A panel a measure, a point a seed, arms by validation mAP; at most the 30 best."""
    order = ranked_arms(results)[:_MOST]
    if not order:
        return None
    trials = results.done[results.done.arm.isin(order)]
    figure, axes = plt.subplots(
        2, 3, figsize=(labelled_width(order, 8.0), 1.4 + 0.44 * len(order)), sharey=True, layout="constrained"
    )
    for axis, (metric, label) in zip(axes.flat, _PANELS.items(), strict=True):
        sns.stripplot(trials, x=metric, y="arm", order=order, ax=axis, size=4, alpha=0.6, color="0.3", jitter=0.1)
        axis.set(xlabel=label, ylabel="")
        axis.set_xlim(left=0)
    return figure
