"""Training curves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from nsh_core.measures import Place, measures
from study.analysis.results import Results
from study.analysis.statistics import mean_interval
from study.reporting.figures.chart import Axis, Chart, Panel
from study.reporting.figures.figure import study_figure
from study.reporting.figures.marks import Band, Line, Mark
from study.reporting.figures.palette import Look
from study.reporting.figures.style import (
    FEWEST,
    MOST_DRAWN,
    best_of,
    by_length,
    called,
    columns_of,
    extremes,
    left_out,
    looks_of,
)

_FAR = 2.0  # times the range of all others: an arm that makes an axis longer is cut off


@study_figure(
    "Training: validation mAP and loss by epoch, mean over seeds; band: its 95% interval, where there are at least "
    "three seeds."
)
def curves(results: Results) -> Chart | None:
    """Validation mAP, SortedNCE and the anchor loss by epoch, where a method has them.

    Args:
        results: Of the study.

    Returns:
        The figure, none without any of them.
    """
    drawn = best_of(results, results.arms, MOST_DRAWN)
    table = results.tables.curves
    table = table[table.arm.isin(drawn)]
    # A single evaluation is no curve.
    shown = [one for one in measures(Place.CURVES) if table[table.curve == one.series].x.nunique() > 1]
    if not shown:
        return None
    groups = by_length(results, drawn)
    names = called(results, drawn)
    looks = looks_of(results, apart=len(groups) > 1)
    panels, notes, alt = [], [left_out(len(drawn), len(results.arms))], []
    for one in shown:
        own = table[table.curve == one.series].groupby(["arm", "x"]).value.agg(["mean", "count", mean_interval])
        arms = [arm for arm in drawn if arm in own.index.unique("arm")]
        low, high, far = _limits(own, arms)
        label = results.title(one)
        panels.append(Panel(_marks(looks, names, own, arms), Axis("epoch"), Axis(label, low=low, high=high)))
        if far:
            cut = ", ".join(names[arm] for arm in far)
            notes.append(f"The axis of {label} is that of the other arms: not all of {cut} is seen on it.")
        last = {names[arm]: float(own["mean"][arm].iloc[-1]) for arm in arms}
        alt.append(f"{label} at the last epoch: {extremes(last)}.")
    columns = columns_of(len(panels))
    note = " ".join(filter(None, notes))
    return Chart(tuple(panels), f"By epoch, means over seeds. {' '.join(alt)}", note, columns, wide=columns > 1)


def _marks(looks: dict[str, Look], names: dict[str, str], own: pd.DataFrame, arms: Sequence[str]) -> tuple[Mark, ...]:
    """The band and the line of each arm."""
    bands, lines = [], []
    for arm in arms:
        rows = own.loc[arm]
        x = rows.index.to_numpy(float)
        many = rows[(rows["count"] >= FEWEST).to_numpy()]
        if len(many):
            low, high = np.transpose(many.mean_interval.tolist())
            at = many.index.to_numpy(float)
            bands.append(Band(names[arm], looks[arm], listed=False, x=at, low=low, high=high))
        lines.append(Line(names[arm], looks[arm], x=x, y=rows["mean"].to_numpy(float), markers=len(rows) == 1))
    return (*bands, *lines)


def _limits(own: pd.DataFrame, arms: Sequence[str]) -> tuple[float | None, float | None, list[str]]:
    """The ends of a vertical axis, none as the data have them, and the arms that leave it."""
    ends = {arm: (own.loc[arm]["mean"].min(), own.loc[arm]["mean"].max()) for arm in arms}
    far: list[str] = []
    while len(ends) > 2 and len(far) < len(arms) // 4:
        without = {arm: _span(other for name, other in ends.items() if name != arm) for arm in ends}
        worst = min(without, key=lambda arm: without[arm][1] - without[arm][0])
        low, high = _span(ends.values())
        if high - low <= _FAR * (without[worst][1] - without[worst][0]):
            break
        far.append(worst)
        del ends[worst]
    if not far:
        return None, None, []
    low, high = _span(ends.values())
    room = 0.12 * (high - low)
    return low - room, high + room, far


def _span(ends: Iterable[tuple[float, float]]) -> tuple[float, float]:
    lows, highs = zip(*ends, strict=True)
    return min(lows), max(highs)
