"""Code health and sorter fidelity."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nsh_core.measures import Measure, Place
from study.analysis.results import Results
from study.reporting.figures.chart import COLUMN, LETTER, PAGE, ROW, Axis, Chart, Panel, rows_height
from study.reporting.figures.figure import study_figure
from study.reporting.figures.marks import Mark, Points, numbers
from study.reporting.figures.style import best_of, called, columns_of, extremes, left_out, looks_of

_MOST, _FEWEST = 20, 8  # arms
_TALL = 9.0  # inches, of a page of a paper
_EDGE = 0.04  # of an axis, beside points on its end
_LEAST = 1.2  # inches, of the width of a panel


@study_figure(
    "Health of the database codes and fidelity of the sorter, arms by validation mAP, the best above: small, a seed; "
    "large, the mean over seeds. An arm without a point in a panel is one of which the measure is not taken."
)
def health(results: Results) -> Chart | None:
    """A panel a measure, an arm a row; at most the 20 best, fewer where there are many panels.

    A measure that is the same in all runs has a sentence.

    Args:
        results: Of the study.

    Returns:
        The figure, none without complete trials, or where no measure of health varies.
    """
    varied = [one for one in results.measured(Place.HEALTH) if results.done[one.name].nunique() > 1]
    if not varied:
        return None
    titles = [results.title(one) for one in varied]
    room = PAGE - LETTER * max(map(len, called(results, results.ranked_arms[:_MOST]).values()))
    least = max(_LEAST, LETTER * (max(map(len, titles)) + 2))
    columns = max(1, min(columns_of(len(varied)), int(room / least)))
    # As many arms as one page of a paper has room for.
    below = -(-len(varied) // columns)
    most = max(_FEWEST, min(_MOST, int((_TALL / below - rows_height(0, "title")) / ROW)))
    kept = set(best_of(results, results.arms, most))
    order = [arm for arm in results.ranked_arms if arm in kept]
    panels = tuple(_panel(results, one, order) for one in varied)
    done = results.done[results.done.arm.isin(kept)]
    same = [
        f"{results.title(one)}, {one.text(float(results.done[one.name].dropna().iloc[0]))}"
        for one in results.measured(Place.HEALTH)
        if one not in varied
    ]
    note = f"The same in all runs: {'; '.join(same)}." if same else ""
    said = "; ".join(f"{results.title(one)}: {_extremes(done, one.name)}" for one in varied)
    alt = f"Health of the codes of {len(order)} arms. {said}."
    note = f"{left_out(len(order), len(results.arms))} {note}".strip()
    return Chart(panels, alt, note, columns, wide=columns > 1 or room < PAGE - COLUMN / 2, share_y=columns > 1)


def _extremes(trials: pd.DataFrame, measure: str) -> str:
    means = trials.groupby("arm")[measure].mean().dropna()
    return extremes({str(arm): mean for arm, mean in means.items()})


def _panel(results: Results, measure: Measure, order: list[str]) -> Panel:
    """A measure, the seeds of an arm from above to below."""
    looks, done = looks_of(results), results.done[["arm", "seed", measure.name]].dropna()
    marks: list[Mark] = []
    for row, arm in enumerate(order):
        own = done[done.arm == arm]
        if own.empty:
            continue
        values, mean = numbers(own[measure.name]), float(own[measure.name].mean())
        said = tuple(f"{arm}\nseed {seed}: {value:.4g}" for seed, value in zip(own.seed, values, strict=True))
        marks += [
            Points(x=values, y=row + np.linspace(-0.25, 0.25, len(own) + 2)[1:-1], size=2.2, opacity=0.6, hover=said),
            Points(
                look=looks[arm], x=numbers([mean]), y=numbers([row]), size=4.5,
                hover=(f"{arm}\nmean of {len(own)} seeds: {mean:.4g}",),
            ),
        ]  # fmt: skip
    values = numbers(done[done.arm.isin(order)][measure.name])
    low, high = min(values.min(), 0.0 if measure.better == "lower" else np.inf), values.max()
    edge = _EDGE * (high - low or 1.0)
    names = tuple(called(results, order).values())
    return Panel(
        tuple(marks),
        Axis(measure.ideal, low=low - edge, high=high + edge),
        Axis(names=names, reversed=True),
        results.title(measure),
        height=rows_height(len(order), "title"),
    )
