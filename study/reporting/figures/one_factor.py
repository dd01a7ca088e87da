"""One factor at a time around the tuned optimum."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from nsh_core.measures import RESULT
from study.analysis.results import Results
from study.analysis.tuned import tuned_arms
from study.plan.arm import short
from study.reporting.figures.chart import Axis, Chart, Panel, on_one_scale
from study.reporting.figures.figure import study_figure
from study.reporting.figures.marks import Band, Intervals, Mark, Points, Rule, numbers
from study.reporting.figures.palette import Look
from study.reporting.figures.style import columns_of, estimates, looks_of


@study_figure(
    "One factor at a time around the tuned configuration, whose own value stands in brackets: small, a seed; large, "
    "the mean with its 95% interval, where there are at least three seeds; line and band are the tuned configuration."
)
def one_factor(results: Results) -> Chart | None:
    """Test mAP at each level of a factor, a panel a factor; band: the tuned configuration itself.

    Args:
        results: Of the study.

    Returns:
        The figure, none for another mode or before the tuned configuration has run.
    """
    centre = results.mode.centre
    if centre is None or centre not in set(results.done.arm):
        return None
    means, panels, alt = estimates(results), [], []
    tuned = tuned_arms(results).get(centre)
    chosen = tuned.chosen[0] if tuned else {}
    for factor in results.spec.factors:
        names = _names(results, factor, chosen)
        own = results.spec.reference_levels[factor]
        arms = {place: centre if label == own else _arm(results, factor, label) for place, label in enumerate(names)}
        known = {place: arm for place, arm in arms.items() if arm in means}
        marks = (*_centre(results, centre, len(names)), *_levels(results, known))
        title = short(factor).replace("_", " ")
        ticks = tuple(names.values())
        panels.append(Panel(marks, Axis(title, names=ticks), Axis(f"test {results.map_name}"), height=2.2))
        told = ", ".join(f"{ticks[place]} {means[arm].mean:.3f}" for place, arm in known.items() if arm != centre)
        alt.append(f"{title}: {told or 'none has run'}.")
    columns = columns_of(len(panels))
    text = f"Test {results.map_name}, tuned configuration {means[centre].mean:.3f}; of its neighbours {' '.join(alt)}"
    return Chart(on_one_scale(panels, "y"), text, columns=columns, wide=columns > 1, share_y=columns > 1)


def _names(results: Results, factor: str, chosen: Mapping[str, Any]) -> dict[str, str]:
    """Labels to names of ticks, the tuned configuration's own value in brackets; in order where all are numbers."""
    own, labels = results.spec.reference_levels[factor], results.spec.labels(factor)
    value = chosen.get(factor, own)
    known = {label: label for label in labels} | {own: f"{value:.2g}" if isinstance(value, float) else str(value)}
    with suppress(ValueError):
        labels = sorted(labels, key=lambda label: float(known[label]))
    return {label: f"({known[label]})" if label == own else label for label in labels}


def _arm(results: Results, factor: str, label: str) -> str:
    return results.spec.arm_at(results.spec.reference_levels | {factor: label}).name


def _centre(results: Results, centre: str, levels: int) -> list[Mark]:
    """The level of the tuned configuration, across all places of a panel."""
    own, look = estimates(results)[centre], looks_of(results)[centre]
    across = numbers([-0.6, levels - 0.4])
    line = Rule("tuned configuration", look, at=own.mean)
    return [Band(look=look, x=across, low=numbers([own.low] * 2), high=numbers([own.high] * 2)), line]


def _levels(results: Results, arms: dict[int, str]) -> list[Mark]:
    """Seeds, mean and interval of the arms at their places."""
    table, looks, marks = estimates(results), looks_of(results), []
    for place, arm in arms.items():
        values = results.done[results.done.arm == arm][RESULT].to_numpy(float)
        own, at = table[arm], numbers([place])
        x = place + np.linspace(-0.12, 0.12, len(values) + 2)[1:-1]
        marks += [
            Points(look=Look(), x=x, y=values, size=2.2, opacity=0.6),
            Intervals(look=looks[arm], at=at, low=numbers([own.low]), high=numbers([own.high])),
            Points(look=looks[arm], x=at, y=numbers([own.mean]), size=5.0),
        ]
    return marks
