"""The arms of a study across data sets."""

from __future__ import annotations

import numpy as np
import pandas as pd

from study.analysis.results import Results
from study.reporting.figures.chart import Axis, Chart, Panel, rows_height
from study.reporting.figures.marks import Intervals, Mark, Points, Rule, numbers
from study.reporting.figures.palette import Look
from study.reporting.figures.style import fitting, looks_of

CAPTION = (
    "Left: interquartile mean of the scores of all runs, test mAP over that of the continuous input on the same data. "
    "Right: the chance that a run scores above one of the reference arm; at the dashed line it is as likely as not. "
    "95% bootstrap intervals of runs within data sets; an arm whose interval on the right crosses the line is not told "
    "apart from its reference. A reference arm has no point there."
)
_MOST = 20
_SHORT = 14  # letters, of names that leave room for both panels in a column


def across_chart(table: pd.DataFrame, first: Results) -> Chart:
    """What the table across data sets says, the highest score above.

    Args:
        table: As study.analysis.across.across gives it.
        first: The study on the first of the data sets.
    """
    looks = looks_of(first)
    ranked = table.sort_values("iqm", ascending=False, kind="stable")
    references = ranked.better.isna()
    others = int(references[_MOST:].sum())
    kept = ranked[(np.arange(len(ranked)) < _MOST - others) | references]
    names = Axis(names=tuple(fitting({arm: first.marked(arm) for arm in kept.arm}).values()), reversed=True)
    height = rows_height(len(kept))
    panels = (
        Panel(_marks(kept, "iqm", looks), Axis("score (1: continuous input)"), names, height=height),
        Panel(
            (Rule(look=Look(dash="dash"), at=0.5, axis="x"), *_marks(kept, "better", looks)),
            Axis("P(beats the reference)", low=-0.04, high=1.04), names, height=height,
        ),
    )  # fmt: skip
    best, worst = kept.iloc[0], kept.iloc[-1]
    alt = f"Scores of {len(kept)} arms across data sets: highest {best.arm} {best.iqm:.3f}"
    alt += f", lowest {worst.arm} {worst.iqm:.3f}." if len(kept) > 1 else "."
    left = len(table) - len(kept)
    note = f"Of {len(table)} arms the {len(kept)} with the highest scores and references are drawn." if left else ""
    wide = max(map(len, names.names)) > _SHORT
    return Chart(panels, alt, note, columns=2, wide=wide, share_y=True)


def _marks(rows: pd.DataFrame, column: str, looks: dict[str, Look]) -> tuple[Mark, ...]:
    """A point with its interval for each arm that has one."""
    marks: list[Mark] = []
    for place, row in enumerate(rows.to_dict("records")):
        at, x, look = numbers([place]), numbers([row[column]]), looks[row["arm"]]
        ends = numbers([row[f"{column}_low"]]), numbers([row[f"{column}_high"]])
        said = f"{row['arm']}\n{row[column]:.3f} [{ends[0][0]:.3f}, {ends[1][0]:.3f}]"
        marks.append(Intervals(at=at, low=ends[0], high=ends[1], along="x", look=look))
        marks.append(Points(look=look, x=x, y=at, size=5.0, hover=(said,)))
    return tuple(marks)
