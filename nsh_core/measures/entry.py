"""What a measure is."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum
from math import isnan
from typing import Any, Literal, get_args

from nsh_core.registry import MEASURES, called, nearest

Better = Literal["higher", "lower"]
# Of a nsh_core.measures.Evidence, which comes with torch: what shows measures does without.
Compute = Callable[[Any], float | None]


class Place(StrEnum):
    """Where a measure is shown.

    Attributes:
        TABLE: The report's table of arms.
        LATEX: The table for a paper.
        COMPARED: The comparisons of arms with their reference.
        HEALTH: The figure of code health.
        CURVES: The figure of training curves, by epoch.
        LABEL_FREE: The analysis of selecting without labels.
        LISTS: The lists of trials and arms on the dashboard and in the terminal.
        COST: The tables' columns of what a run costs, where that was measured by itself (--measure-cost).
    """

    TABLE = "table"
    LATEX = "latex"
    COMPARED = "compared"
    HEALTH = "health"
    CURVES = "curves"
    LABEL_FREE = "label_free"
    LISTS = "lists"
    COST = "cost"


@dataclass(frozen=True)
class Measure:
    """One measure.

    Attributes:
        name: Its column in tables.
        label: What figures call it; `{map}` and `{cut}` stand for mAP@k and the k of precision@k.
        column: What tables call it, where that is shorter.
        unit: "s", "MB", or nothing for a number without one.
        better: Which way is better; none where neither is.
        ideal: The value to aim at in words, shown behind the label: "0 best".
        digits: Digits behind the point.
        needs_labels: Whether it looks at labels. One that looks at those of test queries is taken of final runs alone.
        shown: Where it is shown.
        series: Its name in the history of a run, where it has one.
        compute: Gives its value, of a nsh_core.measures.Evidence, or none where it does not apply; NaN and infinity
            count as none. No function for what whoever runs the trial records.
    """

    name: str
    label: str
    column: str = ""
    unit: str = ""
    better: Better | None = None
    ideal: str = ""
    digits: int = 3
    needs_labels: bool = False
    shown: Collection[str] = ()
    series: str = ""
    compute: Compute | None = None

    @property
    def sign(self) -> int:
        """-1 if less is better, else +1."""
        return -1 if self.better == "lower" else 1

    def title(self, map_name: str, cut: int, short: bool = False) -> str:
        """What it is called in a study.

        Args:
            map_name: mAP@k as it is written: "mAP@1000".
            cut: k of precision@k.
            short: For a column of a table.

        Returns:
            The column, where it is short and there is one, else the label.
        """
        text = (short and self.column) or self.label
        return text.format(map=map_name, cut=cut)

    def text(self, value: float) -> str:
        """A value in words; empty for a missing one."""
        return "" if isnan(value) else f"{value:.{self.digits}f}"


def _check(name: str, entry: Any) -> None:
    """Raises ValueError for a measure that tables and figures could not show."""
    if not isinstance(entry, Measure) or entry.name != name:
        raise ValueError(f"measure {name!r} must be a Measure of that name, got {called(entry)}")
    for text in (entry.label, entry.column):
        try:
            text.format(map="", cut="")
        except (AttributeError, IndexError, KeyError, ValueError):
            raise ValueError(
                f"measure {name!r}: {text!r} must be text with no braces but {{map}} and {{cut}}"
            ) from None
    if entry.better is not None and entry.better not in get_args(Better):
        known = get_args(Better)
        raise ValueError(
            f"measure {name!r}: better must be None or one of {', '.join(known)}, got {entry.better!r}"
            f"{nearest(str(entry.better), known)}"
        )
    places = [place.value for place in Place]
    if isinstance(entry.shown, str) or not isinstance(entry.shown, Collection):
        raise ValueError(
            f"measure {name!r}: shown must be a tuple of some of {', '.join(places)}, got {entry.shown!r}"
            f"{nearest(str(entry.shown), places)}"
        )
    for place in entry.shown:
        if place not in places:
            raise ValueError(
                f"measure {name!r}: shown must name some of {', '.join(places)}, got {place!r}"
                f"{nearest(str(place), places)}"
            )
    if not isinstance(entry.digits, int) or entry.digits < 0:
        raise ValueError(f"measure {name!r}: digits must be a whole number of at least 0, got {entry.digits!r}")


MEASURES.demand(_check)


def measures(shown: str | None = None) -> list[Measure]:
    """All measures, or those that are shown in a place, in the catalogue's order."""
    found = MEASURES.entries()
    return [measure for measure in found if shown is None or shown in measure.shown]


def measure(name: str, label: str, **facts: Any) -> Callable[[Compute], Compute]:
    """A decorator: the function computes the measure of that name.

    It gives a number, or none where the measure does not apply; NaN and infinity are recorded as missing, like none. A
    run whose measure raises, or gives anything else, fails with that reason.

    Args:
        name: As in Measure.
        label: As in Measure.
        facts: The other attributes of Measure.

    Returns:
        The decorator, which raises ValueError where the name is taken, or nothing could show the measure.
    """

    def decorate(compute: Compute) -> Compute:
        MEASURES.register(name, Measure(name, label, compute=compute, **facts))
        return compute

    return decorate
