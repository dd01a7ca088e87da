"""Precision-recall curves by Hamming radius."""

from __future__ import annotations

import numpy as np
import pandas as pd

from study.analysis.results import Results
from study.reporting.figures.chart import Axis, Chart, Panel
from study.reporting.figures.figure import study_figure
from study.reporting.figures.marks import Line
from study.reporting.figures.style import MOST_DRAWN, best_of, by_length, columns_of, extremes, left_out, looks_of, wide

_PRECISION, _RECALL = "test_precision_by_radius", "test_recall_by_radius"
_AT = 0.5  # recall, of the alternative text


@study_figure("Precision against recall on test queries, by growing Hamming radius, mean over seeds.")
def pr(results: Results) -> Chart | None:
    """Mean over seeds of precision and recall on test queries, a panel a code length, a line an arm.

    Args:
        results: Of the study.

    Returns:
        The figure, none without these curves.
    """
    table = results.tables.curves
    table = table[table.curve.isin([_PRECISION, _RECALL])]
    means = table.pivot_table(index=["arm", "x"], columns="curve", values="value").dropna()
    if means.empty:
        return None
    known = set(means.index.unique("arm"))
    groups = by_length(results, [arm for arm in results.arms if arm in known])
    looks, panels, alt, drawn = looks_of(results, apart=False), [], [], 0
    for title, names in groups.items():
        kept = best_of(results, names, MOST_DRAWN)
        drawn += len(kept)
        lines = tuple(
            Line(names[arm], looks[arm], x=means.loc[arm][_RECALL].to_numpy(), y=means.loc[arm][_PRECISION].to_numpy())
            for arm in kept
        )
        panels.append(Panel(lines, Axis("recall", low=0, high=1), Axis("precision", low=0, high=1.02), title))
        alt.append(_alt(title, {names[arm]: means.loc[[arm]] for arm in kept}))
    columns = columns_of(len(panels))
    text = f"Precision against recall on test queries. {' '.join(alt)}"
    note = left_out(drawn, len(known))
    return Chart(tuple(panels), text, note, columns, wide=wide(columns, known), share_y=columns > 1)


def _alt(title: str, lines: dict[str, pd.DataFrame]) -> str:
    """The precision of the best and of the worst line at a recall that all reach."""
    at = {
        name: float(np.interp(_AT, line[_RECALL].to_numpy(), line[_PRECISION].to_numpy()))
        for name, line in lines.items()
    }
    of = f"{len(at)} {'arm' if len(at) == 1 else 'arms'}" + (f" of {title}" if title else "")
    return f"At a recall of {_AT:g}, {of}: {extremes(at)}."
