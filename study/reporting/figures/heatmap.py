"""Two factors against each other."""

from __future__ import annotations

import pandas as pd

from nsh_core.measures import RESULT
from study.analysis.results import Results
from study.plan.arm import short
from study.reporting.figures.chart import COLUMN, LETTER, PAGE, Axis, Chart, Panel, Shades
from study.reporting.figures.figure import study_figure
from study.reporting.figures.marks import Cells
from study.reporting.figures.palette import CODE_LENGTH
from study.reporting.figures.style import extremes

_ROW, _AROUND, _CELL, _BAR = 0.26, 0.65, 0.33, 0.6  # inches: of cells, around them, and of the bar of colours
_LEAST = 1.6  # inches, that the label of the bar needs


@study_figure(
    "Mean test mAP over seeds; the frame, black between white, marks the arm that is best on validation queries. An "
    "empty cell has no complete trial."
)
def heatmap(results: Results) -> Chart | None:
    """Mean test mAP over the last two factors, a panel for each level of a first of three.

    Args:
        results: Of the study.

    Returns:
        The figure, none without complete trials or for a number of factors other than two or three.
    """
    factors = list(results.spec.factors)
    if len(factors) not in (2, 3) or results.done.empty:
        return None
    *facet, vertical, horizontal = factors
    rows, columns = _known(results, vertical), _known(results, horizontal)
    means = {str(arm): float(mean) for arm, mean in results.done.groupby("arm")[RESULT].mean().items()}
    # Panels side by side as long as their cells have room for numbers.
    cells = _CELL * len(columns)
    room = PAGE - _BAR - LETTER * max(map(len, rows))
    titles = _known(results, facet[0]) if facet else [""]
    beside = max(1, min(len(titles), int(room / (cells + 0.1))))
    wide = beside * cells > COLUMN - PAGE + room
    panels = tuple(
        Panel(
            (_cells(results, [facet[0], title] if facet else [], vertical, horizontal),),
            Axis(_called(horizontal), names=tuple(columns)),
            Axis(_called(vertical), names=tuple(rows), reversed=True),
            f"{_called(facet[0])} {title}" if facet else "",
            height=max(_LEAST, _AROUND + _ROW * len(rows) + (0.15 if facet else 0.0)),
        )
        for title in titles
    )
    low, high = min(means.values()), max(means.values())
    shades = Shades(f"test {results.map_name}", low, max(high, low + 1e-3))
    text = f"Mean test {results.map_name} by {', '.join(map(_called, factors))}: {extremes(means)}."
    missing = [f"{_called(one)} {label}" for one in factors for label in results.spec.labels(one)
               if label not in _known(results, one)]  # fmt: skip
    note = f"Left out, without any complete trial: {'; '.join(missing)}." if missing else ""
    return Chart(panels, text, note, beside, wide=wide, share_y=beside > 1, shades=shades)


def _known(results: Results, factor: str) -> list[str]:
    """The levels of a factor that have complete trials."""
    found = set(results.done[f"factor_{factor}"])
    return [label for label in results.spec.labels(factor) if label in found]


def _called(factor: str) -> str:
    return "code length (bits)" if factor == CODE_LENGTH else short(factor).replace("_", " ")


def _cells(results: Results, facet: list[str], vertical: str, horizontal: str) -> Cells:
    """The means of one panel, a frame around the best arm where it is among them."""
    trials = results.done if not facet else results.done[results.done[f"factor_{facet[0]}"] == facet[1]]
    down, across = f"factor_{vertical}", f"factor_{horizontal}"
    rows, columns = _known(results, vertical), _known(results, horizontal)
    table: pd.DataFrame = trials.pivot_table(index=down, columns=across, values=RESULT)
    values = table.reindex(index=rows, columns=columns).to_numpy(float)
    best = trials[trials.arm == results.ranked_arms[0]]
    framed = None if best.empty else (rows.index(best[down].iloc[0]), columns.index(best[across].iloc[0]))
    texts = tuple(tuple("" if value != value else f"{value:.3f}".lstrip("0") for value in row) for row in values)
    return Cells(values=values, texts=texts, framed=framed)
