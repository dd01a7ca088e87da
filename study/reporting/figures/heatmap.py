"""Two factors against each other."""

from __future__ import annotations

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from study.analysis.results import Results
from study.reporting.figures.figure import study_figure


@study_figure("Mean test mAP over seeds; the frame marks the arm that is best on validation queries.")
def heatmap(results: Results) -> Figure | None:
    """Mean test mAP over the last two factors, a panel for each level of a first of three.

    Args:
        results: Of the study.

    Returns:
        The figure, none without complete trials or for a number of factors other than two or three.
    """
    factors = list(results.spec.factors)
    if len(factors) not in (2, 3) or results.done.empty:
        return None
    *facet, vertical, horizontal = factors
    panels = results.spec.labels(facet[0]) if facet else [""]
    rows, columns = results.spec.labels(vertical), results.spec.labels(horizontal)
    size = (1.6 + 0.85 * len(columns) * len(panels), 1.2 + 0.45 * len(rows))
    figure, axes = plt.subplots(1, len(panels), figsize=size, squeeze=False, layout="constrained", sharey=True)
    means = results.done.groupby("arm").test_map.mean()
    best = results.ranked_arms[0]
    for axis, panel in zip(axes[0], panels, strict=True):
        trials = results.done if not facet else results.done[results.done[f"factor_{facet[0]}"] == panel]
        table = trials.pivot_table(index=f"factor_{vertical}", columns=f"factor_{horizontal}", values="test_map")
        table = table.reindex(index=rows, columns=columns)
        sns.heatmap(
            table, ax=axis, annot=True, fmt=".3f", cmap="viridis", vmin=means.min(), vmax=means.max(),
            cbar=axis is axes[0][-1], cbar_kws={"label": f"test {results.map_name}"},
        )  # fmt: skip
        winner = trials[trials.arm == best]
        if len(winner):
            x = columns.index(winner[f"factor_{horizontal}"].iloc[0])
            y = rows.index(winner[f"factor_{vertical}"].iloc[0])
            axis.add_patch(Rectangle((x, y), 1, 1, fill=False, edgecolor="red", lw=2.5))
        axis.set(xlabel=_short(horizontal), ylabel=_short(vertical) if axis is axes[0][0] else "", title=panel)
        axis.tick_params(axis="y", rotation=0)
    return figure


def _short(factor: str) -> str:
    return factor.rpartition(".")[2].replace("_", " ")
