"""Which arms differ: mean test mAP, and lines between those that are not told apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.ticker import MaxNLocator

from study.analysis.cautions import LEAST_TO_CHOOSE
from study.analysis.comparisons import values_of
from study.analysis.crossed import pairs_p
from study.analysis.results import Results
from study.analysis.seeds import ALPHA
from study.reporting.figures.chart import Axis, Chart, Panel, rows_height
from study.reporting.figures.figure import study_figure
from study.reporting.figures.marks import Line, Mark, Points, numbers
from study.reporting.figures.style import fitting, looks_of

_FEWEST, _MOST = 3, 20  # arms
_APART, _TICKS = 0.06, 4  # share of the axis between lines; ticks on it
_SHORT, _LINES = 22, 6  # letters of names, and lines, that one column has room for


@study_figure(
    "Mean test mAP of the arms, the highest above. Right of them, arms with a dot on the same line are not told apart, "
    "and those that share no line are: p of .05 or more, and below, by the largest |t| of all pairs of arms, the test "
    "of the mark † in the table of arms. Places on the axis say nothing of the lines."
)
def critical_difference(results: Results) -> Chart | None:
    """The arms of each group by mean test mAP, with what the test of the verdict says of each pair.

    Args:
        results: Of the study.

    Returns:
        The figure, none where arms are not compared, or no group has three arms and three seeds that all of them have.
    """
    if not results.mode.compares:
        return None
    panels: list[Panel] = []
    said: list[str] = []
    drawn, of, longest, lines = 0, 0, 0, 0
    for label, group in results.spec.groups().items():
        names = fitting({arm.name: arm.name_in_group for arm in group if arm.name in results.arms})
        arms = results.contenders(list(names))
        if len(arms) < _FEWEST:
            continue
        values = values_of(results.done, results.tables.per_query, arms)
        if values.shape[1] < LEAST_TO_CHOOSE:
            continue
        same = pairs_p(values) >= ALPHA
        means = values.reshape(len(arms), -1).mean(axis=1)
        best = [arms.index(arm) for arm in results.ranked_arms if arm in arms][:_MOST]
        order = sorted(best, key=lambda place: -means[place])
        rows = [arms[place] for place in order]
        joined = _joined(same[np.ix_(order, order)])
        panels.append(_panel(results, {arm: names[arm] for arm in rows}, means[order], joined, label))
        said.append(_said(label, [names[arm] for arm in rows], joined))
        drawn, of = drawn + len(rows), of + len(arms)
        longest, lines = max(longest, *map(len, names.values())), max(lines, len(joined))
    if not panels:
        return None
    alt = f"Arms by mean test {results.map_name}, and which of them are not told apart. {' '.join(said)}"
    note = f"Of {of} arms the {drawn} best on validation queries are drawn." if drawn < of else ""
    columns = min(2, len(panels)) if longest <= _SHORT else 1
    return Chart(tuple(panels), alt, note, columns, wide=columns > 1 or longest > _SHORT or lines > _LINES)


def _joined(same: np.ndarray) -> list[list[int]]:
    """The largest sets of places of which no two are told apart, those of one place aside, in order.

    Args:
        same: [A, A], whether two are not told apart.
    """
    from networkx import Graph, find_cliques  # at half a second, which most studies save

    graph = Graph(zip(*np.nonzero(np.triu(same, 1)), strict=True))
    return sorted(sorted(map(int, clique)) for clique in find_cliques(graph))


def _panel(
    results: Results, names: dict[str, str], means: np.ndarray, joined: Sequence[Sequence[int]], title: str
) -> Panel:
    looks, label = looks_of(results), f"test {results.map_name}"
    low, high = float(means.min()), float(means.max())
    step = _APART * (high - low or 1.0)
    marks: list[Mark] = [
        Points(
            look=looks[arm], x=numbers([mean]), y=numbers([row]), size=5.0,
            hover=(f"{names[arm]}\n{label} {results.estimate(arm)}",),
        )
        for row, (arm, mean) in enumerate(zip(names, means, strict=True))
    ]  # fmt: skip
    for place, rows in enumerate(joined):
        at = numbers([high + (place + 2) * step] * len(rows))
        marks += [
            Line(x=at, y=numbers(rows), width=1.0),
            Points(x=at, y=numbers(rows), size=3.4, hover=(_listed(list(names.values()), rows),) * len(rows)),
        ]
    ticks = [tick for tick in MaxNLocator(_TICKS).tick_values(low, high) if low - step <= tick <= high + step]
    return Panel(
        tuple(marks),
        Axis(label, low=low - step, high=high + (len(joined) + 2) * step, ticks=tuple(map(float, ticks))),
        Axis(names=tuple(names.values()), reversed=True),
        title,
        height=rows_height(len(names), title),
    )


def _listed(names: Sequence[str], rows: Sequence[int]) -> str:
    return "not told apart:\n" + "\n".join(names[row] for row in rows)


def _said(label: str, names: Sequence[str], joined: Sequence[Sequence[int]]) -> str:
    """The highest and the lowest arm, and which are not told apart from the highest."""
    near = sorted({row for rows in joined if 0 in rows for row in rows} - {0})
    told = ", ".join(names[row] for row in near) or "none"
    start = f"{label}: " if label else ""
    return f"{start}highest {names[0]}, lowest {names[-1]}; not told apart from the highest: {told}."
