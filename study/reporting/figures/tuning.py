"""What the tuning trials found."""

from __future__ import annotations

from math import nan

import numpy as np
import pandas as pd

from study.analysis.budget import tuning_of
from study.analysis.judged import judged
from study.analysis.results import Results
from study.reporting.figures.chart import Axis, Chart, Panel, rows_height
from study.reporting.figures.figure import study_figure
from study.reporting.figures.marks import Mark, Points, numbers
from study.reporting.figures.palette import Look
from study.reporting.figures.style import called, extremes, looks_of

_MOST = 20
_SHORT = 22  # letters, of names that leave a column room for the tries
_DEFAULT, _CHOSEN = "default settings", "chosen by a tuning"


@study_figure(
    "Tuning: the objective, validation mAP unless another is named, of every complete run of a tuning: small, within "
    "an arm from above to below in the order of tries; crosses, runs of the default settings; diamonds, what each "
    "tuning chose, mean over the runs of that try."
)
def tuning(results: Results) -> Chart | None:
    """The objective of every complete tuning trial, an arm a row, the default and the best of each tuning marked.

    Args:
        results: Of the study.

    Returns:
        The figure, none without complete tuning trials.
    """
    trials = results.tables.trials
    over = trials[(trials.phase == "tuning") & (trials.state == "complete")]
    if over.empty or results.spec.tune is None:
        return None
    over = over.assign(**judged(over, results.spec.tune))
    known = list(over.arm.unique())
    tries = over[over.feasible].groupby(["arm", tuning_of(results, over).rename("tuning"), "tuned"]).value.mean()
    chosen = tries.groupby(level=["arm", "tuning"]).max().droplevel("tuning")
    top = chosen.groupby(level="arm").max().reindex(known, fill_value=-np.inf)
    kept = set(top.sort_values(ascending=False, kind="stable").index[:_MOST])
    order = [arm for arm in known if arm in kept]
    label = f"{results.spec.tune.title(results.map_name)} of a tuning run"
    marks: list[Mark] = [
        Points(_DEFAULT, Look(marker="X"), x=numbers([nan]), y=numbers([nan])),
        Points(_CHOSEN, Look(marker="D"), x=numbers([nan]), y=numbers([nan])),
    ]
    looks = looks_of(results)
    for row, arm in enumerate(order):
        marks += _row(row, arm, over[over.arm == arm], chosen[chosen.index == arm], looks.get(arm, Look()))
    names = tuple(called(results, order).values())
    panel = Panel(tuple(marks), Axis(label), Axis(names=names, reversed=True), height=rows_height(len(order)))
    note = f"Of {len(known)} arms the {len(order)} with the best tries are drawn." if len(order) < len(known) else ""
    found = extremes({arm: float(top[arm]) for arm in order})
    alt = f"{len(over)} tuning runs of {len(known)} arms; best chosen: {found}."
    return Chart((panel,), alt, note, wide=max(map(len, names)) > _SHORT)


def _row(row: int, arm: str, own: pd.DataFrame, chosen: pd.Series, look: Look) -> list[Mark]:
    """The runs of an arm, its default and what its tunings chose."""
    default = own[own.tuned == "{}"].value
    said = tuple(f"{arm}\n{tuned}\n{value:.4f}" for tuned, value in zip(own.tuned, own.value, strict=True))
    return [
        Points(
            x=numbers(own.value), y=row + np.linspace(-0.3, 0.3, len(own) + 2)[1:-1], size=2.2, opacity=0.6, hover=said
        ),
        Points(
            _DEFAULT, Look(look.color, "X"), listed=False, x=numbers(default), y=numbers([row] * len(default)),
            size=4.5,
        ),
        Points(
            _CHOSEN, Look(look.color, "D"), listed=False, x=numbers(chosen), y=numbers([row] * len(chosen)), size=4.5
        ),
    ]  # fmt: skip
