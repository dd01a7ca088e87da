"""What a measure is, and the one list of them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum
from math import isnan
from typing import Any, Literal

from nsh_core.measures.evidence import Evidence
from nsh_core.registry import Registry

SELECTION = "val_map"
RESULT = "test_map"


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
    """

    TABLE = "table"
    LATEX = "latex"
    COMPARED = "compared"
    HEALTH = "health"
    CURVES = "curves"
    LABEL_FREE = "label_free"
    LISTS = "lists"


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
        needs_labels: Whether it looks at labels; such a measure is taken of final runs alone.
        shown: Where it is shown.
        series: Its name in the history of a run, where it has one.
        compute: Gives its value, or none where it does not apply; none for what whoever runs the trial records.
    """

    name: str
    label: str
    column: str = ""
    unit: str = ""
    better: Literal["higher", "lower"] | None = None
    ideal: str = ""
    digits: int = 3
    needs_labels: bool = False
    shown: Collection[str] = ()
    series: str = ""
    compute: Callable[[Evidence], float | None] | None = None

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


MEASURES: Registry[Measure] = Registry("measure", ("label", "better", "digits", "needs_labels", "shown", "compute"))


def measures(shown: str | None = None) -> list[Measure]:
    """All measures, or those that are shown in a place, in the catalogue's order."""
    found = [MEASURES[name] for name in MEASURES.names()]
    return [measure for measure in found if shown is None or shown in measure.shown]


def measure(
    name: str, label: str, **facts: Any
) -> Callable[[Callable[[Evidence], float | None]], Callable[[Evidence], float | None]]:
    """A decorator: the function computes the measure of that name.

    Args:
        name: As in Measure.
        label: As in Measure.
        facts: The other attributes of Measure.

    Returns:
        The decorator, which raises ValueError where the name is another measure's.
    """

    def decorate(compute: Callable[[Evidence], float | None]) -> Callable[[Evidence], float | None]:
        MEASURES.register(name, Measure(name, label, compute=compute, **facts))
        return compute

    return decorate


def taken(evidence: Evidence, labels: bool = True) -> dict[str, float]:
    """Takes every measure that applies.

    Args:
        evidence: Of the run.
        labels: Whether those that need labels are among them.

    Returns:
        Values by name.
    """
    values = {
        one.name: one.compute(evidence)
        for one in measures()
        if one.compute is not None and (labels or not one.needs_labels)
    }
    return {name: float(value) for name, value in values.items() if value is not None}
