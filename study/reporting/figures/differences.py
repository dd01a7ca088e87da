"""Planned differences of several studies beside one another, which no single study can draw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from study.analysis.side_by_side import SharedDifference
from study.reporting.figures.chart import Axis, Chart, Panel
from study.reporting.figures.marks import Intervals, Mark, Points, Rule, numbers
from study.reporting.figures.palette import look

DIFFERENCES = (
    "Differences in test mAP of the pairs that several studies planned, right of 0 where the first is ahead: mean and "
    "95% interval of each study by itself."
)
_MOST = 20
_AROUND, _LINE = 0.75, 0.085  # inches: what is around the rows, and one study's place in a row


def differences(shared: Sequence[SharedDifference], called: Sequence[str]) -> Chart | None:
    """A row a pair and a colour a study; the pairs that most studies have, at most 20.

    Args:
        shared: The differences.
        called: What the studies are called, by place.

    Returns:
        The figure, none where there is no difference.
    """
    if not shared:
        return None
    kept = sorted(sorted(shared, key=lambda one: -len(one.claims))[:_MOST], key=list(shared).index)
    several = len({one.group for one in kept}) > 1
    names = [f"{one.group}: " * several + f"{one.arm} − {one.reference}" for one in kept]
    marks: list[Mark] = [Rule(at=0.0, axis="x")]
    for place, label in enumerate(called):
        own = [(row, one.claims[place]) for row, one in enumerate(kept) if place in one.claims]
        if not own:
            continue
        at = numbers(row for row, _ in own) + 0.7 * ((place + 0.5) / len(called) - 0.5)
        low, high = (numbers(claim.row[end] for _, claim in own) for end in ("both_low", "both_high"))
        marks += [
            Intervals(label, look(place), listed=False, at=at, low=low, high=high, along="x", caps=False),
            Points(
                label, look(place), x=numbers(claim.row["difference"] for _, claim in own), y=at,
                hover=tuple(f"{label}\n{names[row]}\n{claim.size} {claim.outcome}" for row, claim in own),
            ),
        ]  # fmt: skip
    height = _AROUND + len(kept) * (0.09 + _LINE * len(called))
    panel = Panel(tuple(marks), Axis("difference in test mAP"), Axis(names=tuple(names), reversed=True), height=height)
    note = f"Of {len(shared)} shared pairs {len(kept)} are drawn." if len(kept) < len(shared) else ""
    return Chart((panel,), _alt(kept, called), note, wide=True)


def _alt(kept: Sequence[SharedDifference], called: Sequence[str]) -> str:
    """Of each study how many pairs lie on either side with their whole interval, and the largest difference."""
    told = []
    for place, label in enumerate(called):
        rows = [(one, one.claims[place].row) for one in kept if place in one.claims]
        if rows:
            ahead = sum(bool(row["both_low"] > 0) for _, row in rows)
            behind = sum(bool(row["both_high"] < 0) for _, row in rows)
            one, largest = max(rows, key=lambda pair: float(np.abs(pair[1]["difference"])))
            told.append(
                f"{label}: {len(rows)} pairs, {ahead} with the whole interval above 0, {behind} below; largest "
                f"{one.arm} against {one.reference} {largest['difference']:+.3f}"
            )
    return f"{'. '.join(told)}."
