"""Mean ranks and which of them differ (Demšar 2006)."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
import scikit_posthocs
from matplotlib.figure import Figure

from study.analysis.results import Results
from study.reporting.figures.figure import study_figure

ACROSS = (
    "Mean ranks over the seeds of all data sets; arms that a bar joins are not told apart by Nemenyi's test at level "
    "0.05."
)
_FEWEST_BLOCKS, _MOST_ARMS = 5, 20


@study_figure(
    "Mean ranks of the arms over seeds (Demšar 2006); arms that a bar joins are not told apart by Nemenyi's test "
    "at level 0.05."
)
def critical_difference(results: Results) -> Figure | None:
    """The diagram with seeds as blocks, where all arms are compared with one another.

    Args:
        results: Of the study.

    Returns:
        The figure, none where arms are compared within groups or not at all, or as of diagram.
    """
    if len(results.spec.groups()) > 1 or not results.mode.compares:
        return None
    scores = results.done.pivot(index="seed", columns="arm", values="test_map")
    return diagram(scores[results.contenders(results.arms)].dropna())


def diagram(scores: pd.DataFrame) -> Figure | None:
    """Mean ranks of arms; those that a bar joins are not told apart by Nemenyi's test after Friedman's, level 0.05.

    Args:
        scores: A row a block (a seed, on a data set), a column an arm.

    Returns:
        The figure, none for fewer than 3 or more than 20 arms, or fewer than 5 blocks.
    """
    if not 3 <= scores.shape[1] <= _MOST_ARMS or len(scores) < _FEWEST_BLOCKS:
        return None
    ranks = scores.rank(axis=1, ascending=False).mean()
    same = scikit_posthocs.posthoc_nemenyi_friedman(scores)
    height = 1.2 + 0.22 * scores.shape[1]
    figure, axis = plt.subplots(figsize=(7.5, height), layout="constrained")
    scikit_posthocs.critical_difference_diagram(ranks, same, ax=axis, label_fmt_left="{label} ({rank:.1f})  ",
                                                label_fmt_right="  {label} ({rank:.1f})")  # fmt: skip
    axis.set_xlabel("mean rank, 1 best")
    return figure
