"""Retrieval against code length."""

from __future__ import annotations

import numpy as np
from scipy.optimize import isotonic_regression

from nsh_core.measures import SELECTION
from study.analysis.results import Results
from study.plan.arm import Arm
from study.reporting.figures.chart import Axis, Chart, Panel
from study.reporting.figures.figure import study_figure
from study.reporting.figures.marks import Intervals, Line, Mark, Numbers, Texts, numbers
from study.reporting.figures.palette import family
from study.reporting.figures.style import continuous, estimates, extremes, looks_of

_MOST = 12
_APART = 0.012  # of a code length: how far lines lie beside one another
_HEIGHT, _LINE = 3.0, 0.045  # inches; the height of a label as a share of the plot's


@study_figure(
    "Test mAP against code length, mean over seeds with its 95% interval, where there are at least three seeds; lines "
    "lie a little beside one another."
)
def bits(results: Results) -> Chart | None:
    """Test mAP against bits, a line for each level of the other factors, named at its end.

    Args:
        results: Of the study.

    Returns:
        The figure, none where all codes are of one length.
    """
    done = results.done
    lines = _lines(results)
    if not lines or done.bits.nunique() < 2:
        return None
    shown = {name: lines[name] for name in _best(results, lines)}
    length, table, looks = done.groupby("arm").bits.first(), estimates(results), looks_of(results, apart=False)
    marks: list[Mark] = [continuous(results, "y")]
    ends: dict[str, tuple[float, float]] = {}
    for place, (name, arms) in enumerate(shown.items()):
        order = sorted((arm.name for arm in arms), key=lambda arm: length[arm])
        own, look = [table[arm] for arm in order], looks[order[0]]
        x = numbers(length[order]) * (1 + _APART * (place - (len(shown) - 1) / 2))
        low, high, mean = (numbers(ends) for ends in zip(*((one.low, one.high, one.mean) for one in own), strict=True))
        marks.append(Intervals(name, look, listed=False, at=x, low=low, high=high, width=0.9))
        marks.append(Line(name, look, listed=False, x=x, y=mean, markers=True))
        ends[name] = float(x[-1]), float(mean[-1])
    ticks = tuple(float(tick) for tick in sorted(done.bits.unique()))
    label = f"test {results.map_name}"
    panel = Panel(
        tuple(marks),
        Axis("code length K (bits)", log=True, ticks=ticks, names=tuple(f"{tick:.0f}" for tick in ticks)),
        Axis(label),
        height=_HEIGHT,
    )
    at = _side_by_side(numbers(y for _, y in ends.values()), _LINE * float(np.diff(panel.ends("y"))[0]))
    right = max(x for x, _ in ends.values())
    words = [
        Texts(look=looks[arms[0].name], x=numbers([right]), y=numbers([y]), texts=(_label(results, arms),))
        for arms, y in zip(shown.values(), at, strict=True)
    ]
    note = f"Of {len(lines)} lines the {len(shown)} best on validation queries are drawn, the reference among them."
    note = note if len(shown) < len(lines) else ""
    return Chart((Panel((*marks, *words), panel.x, panel.y, height=_HEIGHT),), _alt(results, shown), note, wide=True)


def _lines(results: Results) -> dict[str, list[Arm]]:
    """The arms of each line."""
    lines: dict[str, list[Arm]] = {}
    for arm in results.spec.arms:
        if arm.name in results.arms:
            lines.setdefault(family(arm), []).append(arm)
    return lines


def _best(results: Results, lines: dict[str, list[Arm]]) -> list[str]:
    """The lines with the best means of validation mAP, and that of the reference, in their order."""
    validation = results.summary_of(SELECTION)["mean"]
    ranked = sorted(lines, key=lambda name: -np.mean([validation[arm.name] for arm in lines[name]]))
    own = family(results.spec.reference_arm)
    kept = {*[name for name in ranked if name != own][: _MOST - 1], own}
    return [name for name in lines if name in kept]


def _label(results: Results, arms: list[Arm]) -> str:
    return family(arms[0]) + results.marked(arms[0].name).removeprefix(arms[0].name)


def _side_by_side(wanted: Numbers, apart: float) -> Numbers:
    """Places as near to the wanted ones as can be, in their order, none nearer to its neighbour than so far."""
    order = np.argsort(wanted, kind="stable")
    steps = apart * np.arange(len(wanted))
    placed = np.empty(len(wanted))
    placed[order] = isotonic_regression(wanted[order] - steps).x + steps
    return placed


def _alt(results: Results, lines: dict[str, list[Arm]]) -> str:
    length, means = results.done.groupby("arm").bits.first(), estimates(results)
    said = []
    for bits in sorted({length[arm.name] for arms in lines.values() for arm in arms}):
        own = {name: means[arm.name].mean for name, arms in lines.items() for arm in arms if length[arm.name] == bits}
        said.append(f"{bits} bits: {extremes(own)}")
    return f"Test {results.map_name} against code length, {len(lines)} lines; {'; '.join(said)}."
