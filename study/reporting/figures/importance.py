"""Importance of tuned settings."""

from __future__ import annotations

from math import nan

import pandas as pd

from study.analysis.importance import WAYS
from study.analysis.results import Results
from study.analysis.seeds import ALPHA
from study.reporting.figures.chart import LETTER, PAGE, Axis, Chart, Panel, rows_height
from study.reporting.figures.figure import study_figure
from study.reporting.figures.marks import Intervals, Mark, Points, numbers
from study.reporting.figures.palette import Look
from study.reporting.figures.style import looks_of

_COLUMNS = 3
_AROUND = 4  # letters, what is beside a panel and its names
_APART = 0.18  # of a row, what the two ways are from its middle
_MARKERS = dict(zip(WAYS, "oD", strict=True))
_HIGHER = 1.4  # a row that holds two marks


@study_figure(
    "Importance of the tuned settings, each arm by itself over its own search space: the share of the variance of the "
    "objective, validation mAP unless another is named, that a setting alone explains (fANOVA), and of the variance of "
    "being among the best quarter of the tries (PED-ANOVA). Lines: the middle 95% of resampled tries. Hollow: that the "
    "objective depends on the setting at all is not shown (p of .05 and more). Arms with fewer than 20 tries are left "
    "out."
)
def importance(results: Results) -> Chart | None:
    """Shares of variance by setting with their intervals, a panel an arm.

    Args:
        results: Of the study.

    Returns:
        The figure, none where no arm has enough tuning trials.
    """
    table = results.importances
    if table.empty:
        return None
    order: list[str] = list(table.groupby("setting").fanova.mean().sort_values(ascending=False).index)
    arms, looks = list(table.arm.unique()), looks_of(results)
    panels, said = [], []
    for arm in arms:
        own = table[table.arm == arm].set_index("setting")
        own = own.loc[[name for name in order if name in own.index]]
        panels.append(_panel(own, f"{arm}, {own.tries.iloc[0]} tries", looks.get(arm, Look())))
        said.append(f"{arm} {own.fanova.idxmax()} {own.fanova.max():.2f}")
    trials = results.tables.trials
    few = [str(arm) for arm in trials[trials.phase == "tuning"].arm.unique() if arm not in arms]
    note = f"Left out here: {', '.join(few)}." if few else ""
    letters = max(len(name) for panel in panels for name in panel.y.names)
    letters += max(len(panel.title) for panel in panels) + _AROUND
    columns = max(1, min(_COLUMNS, len(arms), int(PAGE / (LETTER * letters))))
    alt = f"The setting with the largest share of the variance by fANOVA, arm by arm: {'; '.join(said)}."
    return Chart(tuple(panels), alt, note, columns, wide=columns > 1)


def _panel(own: pd.DataFrame, title: str, look: Look) -> Panel:
    """The settings of an arm, in one order for all arms."""
    marks: list[Mark] = [
        Points(WAYS[way], Look(marker=marker), x=numbers([nan]), y=numbers([nan])) for way, marker in _MARKERS.items()
    ]
    names = [str(name).rpartition(".")[2] for name in own.index]
    shown = (own.p < ALPHA).to_numpy()
    for way, shift in zip(WAYS, (-_APART, _APART), strict=True):
        share, low, high = (own[column].to_numpy(float) for column in (way, f"{way}_low", f"{way}_high"))
        at = numbers(range(len(own))) + shift
        said = [
            f"{name}\n{WAYS[way]} {value:.2f} [{one:.2f}, {other:.2f}]\np {p:.3f}"
            for name, value, one, other, p in zip(names, share, low, high, own.p, strict=True)
        ]
        marks.append(Intervals(look=look, at=at, low=low, high=high, along="x", caps=False))
        for some in (shown, ~shown):
            hover = tuple(text for text, mine in zip(said, some, strict=True) if mine)
            marks.append(
                Points(
                    WAYS[way], Look(look.color, _MARKERS[way]), listed=False, x=share[some], y=at[some],
                    hollow=some is not shown, hover=hover,
                )
            )  # fmt: skip
    return Panel(
        tuple(marks), Axis("share of variance (0 to 1)", low=-0.03, high=1.03, ticks=(0.0, 0.5, 1.0)),
        Axis(names=tuple(names), reversed=True), title, height=rows_height(round(_HIGHER * len(names)), title),
    )  # fmt: skip
