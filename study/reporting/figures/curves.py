"""Training curves."""

from __future__ import annotations

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.figure import Figure

from study.analysis.results import Results
from study.analysis.statistics import errorbar
from study.reporting.figures.style import colors, legend_below, line_arms

_PANELS = {"val_map": "validation", "sorted_nce": "SortedNCE", "anchor": "NT-Xent anchor"}


def curves(results: Results) -> Figure | None:
    """Validation mAP, SortedNCE and the anchor loss by epoch."""
    order = line_arms(results)
    table = results.tables.curves
    table = table[table.arm.isin(order)]
    panels = [name for name in _PANELS if (table.curve == name).any()]
    if not panels:
        return None
    figure, axes = plt.subplots(1, len(panels), figsize=(3.3 * len(panels), 3.0), squeeze=False, layout="constrained")
    for axis, name in zip(axes[0], panels, strict=True):
        sns.lineplot(
            table[table.curve == name], x="x", y="value", hue="arm", hue_order=order, palette=colors(results),
            errorbar=errorbar, ax=axis, legend=axis is axes[0][0],
        )  # fmt: skip
        label = f"{_PANELS[name]} {results.map_name}" if name == "val_map" else _PANELS[name]
        axis.set(xlabel="epoch", ylabel=label)
    axes[0][0].get_legend().remove()
    legend_below(figure, axes[0][0])
    return figure
