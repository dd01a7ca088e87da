"""Every arm with its seeds and interval."""

from __future__ import annotations

import numpy as np

from nsh_core.measures import RESULT
from study.analysis.results import Results
from study.reporting.figures.chart import Axis, Chart, Panel, on_one_scale, rows_height
from study.reporting.figures.figure import study_figure
from study.reporting.figures.marks import Intervals, Mark, Points, numbers
from study.reporting.figures.style import by_length, continuous, estimates, extremes, looks_of

_MOST = 20
_SHORT = 22  # letters, of names that leave room for two panels side by side


@study_figure(
    "Test mAP of each arm, the best on validation queries above: small, a seed; large, the mean with the 95% interval "
    "of the table of arms, where there are at least three seeds."
)
def arms(results: Results) -> Chart | None:
    """Test mAP of each arm, a panel a code length, at most 20 rows in all; what learns from labels last.

    Args:
        results: Of the study.

    Returns:
        The figure, none without complete trials.
    """
    ranked = results.ranked_arms
    if not ranked:
        return None
    groups = by_length(results, ranked)
    shown = {title: _kept(results, names, max(1, _MOST // len(groups))) for title, names in groups.items()}
    label = f"test {results.map_name}"
    panels = [
        Panel(
            _marks(results, names, label),
            Axis(label),
            Axis(names=tuple(names.values()), reversed=True),
            title,
            height=rows_height(len(names), title),
        )
        for title, names in shown.items()
    ]
    longest = max(len(name) for names in shown.values() for name in names.values())
    columns = 2 if len(panels) > 1 and longest <= _SHORT else 1
    drawn = [arm for names in shown.values() for arm in names]
    note = "" if len(drawn) == len(ranked) else _left_out(len(ranked), len(drawn), len(groups))
    return Chart(on_one_scale(panels, "x"), _alt(results, drawn), note, columns, wide=columns > 1 or longest > _SHORT)


def _kept(results: Results, names: dict[str, str], most: int) -> dict[str, str]:
    """The best of a group, its reference and what learns from labels, in their order."""
    always = {one.reference for one in results.spec.arms if one.name in names} | set(results.ceilings)
    others = [arm for arm in names if arm not in always]
    room = max(0, most - len(always.intersection(names)))
    kept = [arm for arm in names if arm in always or arm in others[:room]][-most:]
    return {arm: names[arm] for arm in kept}


def _marks(results: Results, names: dict[str, str], label: str) -> tuple[Mark, ...]:
    """Seeds, intervals and means of arms, a row each."""
    table, looks, done = estimates(results), looks_of(results, apart=False), results.done
    marks: list[Mark] = [continuous(results, "x")]
    for row, (arm, name) in enumerate(names.items()):
        own = done[done.arm == arm]
        seeds = zip(own.seed, own[RESULT], strict=True)
        at, estimate = numbers([row]), table[arm]
        marks += [
            Points(
                x=numbers(own[RESULT]), y=row + np.linspace(-0.18, 0.18, len(own) + 2)[1:-1], size=2.2, opacity=0.6,
                hover=tuple(f"{name}\nseed {seed}: {value:.4f}" for seed, value in seeds),
            ),
            Intervals(at=at, low=numbers([estimate.low]), high=numbers([estimate.high]), along="x", look=looks[arm]),
            Points(
                look=looks[arm], x=numbers([estimate.mean]), y=at, size=5.5,
                hover=(f"{name}\n{label} {results.estimate(arm)}\n{len(own)} seeds",),
            ),
        ]  # fmt: skip
    return tuple(marks)


def _left_out(arms: int, drawn: int, groups: int) -> str:
    each = " of each code length" if groups > 1 else ""
    return (
        f"Of {arms} arms the {drawn} best on validation queries{each} are drawn, references and arms that learn from "
        f"labels among them; {arms - drawn} are left out."
    )


def _alt(results: Results, drawn: list[str]) -> str:
    table = estimates(results)
    means = extremes({arm: table[arm].mean for arm in drawn})
    level = f"continuous input {results.facts.continuous.test_map:.3f}"
    return f"Test {results.map_name} of {len(drawn)} arms, mean over seeds: {means}; {level}."
