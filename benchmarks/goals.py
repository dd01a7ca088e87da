"""What is to be reached, and whether it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True)
class Goal:
    """One number of a row.

    Attributes:
        name: Of the row.
        n: Of the row.
        bound: Most seconds; most multiples of the reference's seconds; or how many times as fast as it.
        kind: "seconds", "references" or "faster".
    """

    name: str
    n: int
    bound: float
    kind: str = "seconds"

    def value(self, rows: Sequence[Row]) -> float | None:
        """The last of some rows' value.

        Args:
            rows: Of any cases.

        Returns:
            In the unit of the bound; none where no row has it.
        """
        for row in reversed(rows):
            if (row["name"], row["n"]) != (self.name, self.n):
                continue
            if self.kind == "seconds":
                return row["project_s"]
            if row.get("reference_s") is not None:
                times = row["project_s"] / row["reference_s"]
                return times if self.kind == "references" else 1 / times
        return None

    def missed_by(self, value: float) -> float:
        """By what factor a value misses the bound: 1 or less where it is met.

        Args:
            value: As `value` gives it.
        """
        return self.bound / value if self.kind == "faster" else value / self.bound

    def shown(self, value: float) -> str:
        """A value in words.

        Args:
            value: As `value` gives it.
        """
        unit = {"seconds": " s", "references": " x its reference", "faster": " x as fast"}[self.kind]
        return f"{value:.3g}{unit}"


GOALS = (
    Goal("sorted_nce_softsort", 64, 20, "faster"),
    Goal("sorted_nce_softsort", 256, 400, "faster"),
    Goal("sorted_nce_softsort", 4096, 0.15),
    Goal("sorted_nce_neuralsort", 4096, 0.3),
    Goal("sorted_nce_sinkhorn", 4096, 1),
    Goal("diffsort_odd_even", 1024, 3),
    Goal("diffsort_bitonic", 4096, 2),
    *(Goal("torchsort", n, 1, "faster") for n in (64, 128, 256, 512)),
    Goal("step_alone", 64, 1.5, "references"),
    Goal("step_stacked", 64, 1.2, "references"),
    Goal("validation", 50_000, 0.1, "references"),
    Goal("start_list", 1, 1),
    Goal("start_help", 1, 1),
    Goal("study_again", 6, 3),
    Goal("study_report", 6, 8),
    Goal("worker", 1, 0.3),
    Goal("claim_postgresql", 16, 1 / 200),
)


def compared(before: Sequence[Row], after: Sequence[Row]) -> list[list[str]]:
    """The goals that some rows speak of: case, n, goal, before, after, met.

    Args:
        before: Rows of earlier runs.
        after: Rows of this one.
    """
    lines = []
    for goal in GOALS:
        now, then = goal.value(after), goal.value(before)
        if now is not None:
            met = "yes" if goal.missed_by(now) <= 1 else f"no, by {goal.missed_by(now):.2g} x"
            shown = goal.shown(goal.bound), "" if then is None else goal.shown(then), goal.shown(now)
            lines.append([goal.name, str(goal.n), *shown, met])
    return lines
