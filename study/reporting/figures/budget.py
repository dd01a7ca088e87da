"""Tuning by budget."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan

import numpy as np
from matplotlib.ticker import MaxNLocator

from study.analysis.budget import Curve, expected_by_budget, found_by_budget
from study.analysis.results import Results
from study.analysis.statistics import mean_interval
from study.reporting.figures.chart import Axis, Chart, Panel
from study.reporting.figures.figure import study_figure
from study.reporting.figures.marks import Band, Line, Mark, numbers
from study.reporting.figures.palette import Look
from study.reporting.figures.style import extremes, fitting, looks_of

_MOST = 8
_NEAR = 0.75  # of the best arm's end, at least, of arms on the axis
_SHORT = 44  # letters, of names that a column has room for in a legend
_EXPECTED, _FOUND = "expected of tries at random", "found by the search"


@study_figure(
    "Best validation mAP by tuning budget. Solid: expected of so many tries of one tuning, drawn at random (Dodge et "
    "al. 2019), mean over tunings, in a band of its 95% interval over tunings, none for a single one. Dotted, in the "
    "same colour: what the search had found by then, mean over tunings."
)
def budget(results: Results) -> Chart | None:
    """Best validation mAP expected of so many tuning trials, an arm a line; dotted: what the search had found.

    Args:
        results: Of the study.

    Returns:
        The figure, none for fewer than two tuning trials of an arm.
    """
    curves = expected_by_budget(results)
    if max((curve.shape[1] for curve in curves.values()), default=0) < 2:
        return None
    ends = {arm: float(curve.mean(axis=0)[-1]) for arm, curve in curves.items()}
    ranked = sorted(ends, key=lambda arm: -ends[arm])
    near = [arm for arm in ranked if ends[arm] >= _NEAR * ends[ranked[0]]]
    shown = [arm for arm in curves if arm in near[:_MOST]]
    looks, names = looks_of(results), fitting({arm: arm for arm in shown})
    marks: list[Mark] = [
        Line(_EXPECTED, Look(), x=numbers([nan]), y=numbers([nan])),
        Line(_FOUND, Look(dash="dot"), x=numbers([nan]), y=numbers([nan])),
    ]
    for arm in shown:
        marks += _arm(results, arm, names[arm], curves[arm], looks.get(arm, Look()))
    means = np.concatenate([curves[arm].mean(axis=0) for arm in shown])
    most = max(means.max(), *(found_by_budget(results, arm).max() for arm in shown))
    room = most - means.min() or 0.1
    tries = max(curves[arm].shape[1] for arm in shown)
    ticks = tuple(float(tick) for tick in MaxNLocator(6, integer=True).tick_values(1, tries) if 1 <= tick <= tries)
    panel = Panel(
        tuple(marks), Axis("tuning trials of an arm", ticks=ticks),
        Axis(f"best validation {results.map_name}", low=means.min() - 0.25 * room, high=most + 0.06 * room),
        height=2.6,
    )  # fmt: skip
    alt = f"Best validation {results.map_name} expected after all tries: {extremes({arm: ends[arm] for arm in shown})}."
    note = _note(ends, near[_MOST:], [arm for arm in ranked if arm not in near])
    return Chart((panel,), alt, note, wide=max(map(len, names.values())) > _SHORT)


def _arm(results: Results, arm: str, name: str, curve: Curve, look: Look) -> list[Mark]:
    """An arm's band, line and what its search found; the marker tells arms of one colour apart."""
    low, high = np.transpose([mean_interval(values) for values in curve.T])
    tries, found = numbers(range(1, curve.shape[1] + 1)), found_by_budget(results, arm)
    solid, dotted = Look(look.color, look.marker), Look(look.color, look.marker, "dot")
    return [
        Band(name, look, listed=False, x=tries, low=low, high=high),
        Line(name, dotted, listed=False, x=numbers(found.index), y=found.to_numpy(float), steps=True, width=0.9),
        Line(name, solid, x=tries, y=curve.mean(axis=0), markers=len(tries) <= 16),
    ]


def _note(ends: dict[str, float], more: Sequence[str], below: Sequence[str]) -> str:
    """Which arms are not drawn, and where they end."""
    parts = []
    if more:
        span = f"{ends[more[-1]]:.3f}" + (f" to {ends[more[0]]:.3f}" if len(more) > 1 else "")
        parts.append(f"Not drawn: {len(more)} behind the {_MOST} best arms, {span} after all tries.")
    if below:
        parts.append(f"Below the axis, after all tries: {'; '.join(f'{arm} {ends[arm]:.3f}' for arm in below)}.")
    return " ".join(parts)
