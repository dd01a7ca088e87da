"""Cost against n, project and reference, on logarithmic axes; and how far each goal was missed, run by run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

from benchmarks.goals import GOALS, Row
from benchmarks.history import Run, rows_of
from study.reporting.figures.chart import PAGE
from study.reporting.figures.on_paper import SMALLEST, styled
from study.reporting.figures.palette import COLORS, QUIET

_COLUMNS = 4
_SIDES: dict[str, Any] = {"reference": (QUIET, "s", "--"), "project": (COLORS[0], "o", "-")}
_MOST_RUNS = 6


def draw(runs: list[Run], path: Path) -> None:
    """Writes a figure: a panel for each case that has several n, and below them the goals.

    Seconds are those of n anchors; where fewer were measured they are scaled up: the mark is hollow, with the number of
    anchors beside it. Of each case and n the last row beside a reference counts.

    Args:
        runs: Of one kind of device, the latest last.
        path: Of the figure.
    """
    latest = {(row["name"], row["n"]): row for row in rows_of([run for run in runs if "against" not in run])}
    sizes: dict[str, list[Row]] = {}
    for row in latest.values():
        sizes.setdefault(row["name"], []).append(row)
    panels = {name: sorted(rows, key=lambda row: row["n"]) for name, rows in sizes.items() if len(rows) > 1}
    reached = [run for run in runs if any(goal.value(run["rows"]) is not None for goal in GOALS)][-_MOST_RUNS:]
    rows = -(-len(panels) // _COLUMNS)
    heights = [1.7 * rows, 0.17 * len(GOALS) + 0.9] if reached else [1.7 * rows]
    with styled():
        figure = Figure(figsize=(PAGE, max(1.7, sum(heights))), layout="constrained")
        parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
        if panels:
            _costs(parts[0], panels, rows)
        if reached:
            _goals(parts[-1].subplots(), reached)
        figure.savefig(path, dpi=200, metadata={"Software": None})


def _costs(part: SubFigure, panels: dict[str, list[Row]], rows: int) -> None:
    axes = part.subplots(rows, _COLUMNS, sharex=True, squeeze=False).flatten()
    for axis, (name, found) in zip(axes, panels.items(), strict=False):
        for side in _SIDES:
            _line(axis, side, [row for row in found if row.get(f"{side}_s") is not None])
        axis.set(xscale="log", yscale="log", title=name)
        ticks = [64, 256, 1024, 4096]
        axis.set_xticks(ticks, [str(tick) for tick in ticks])
        axis.yaxis.set_major_formatter("{x:g}")
        axis.minorticks_off()
    for axis in axes[len(panels) :]:
        axis.remove()
    part.supxlabel("n, batch")
    part.supylabel("seconds")
    marks: list[Any] = [
        Line2D([], [], color=c, marker=m, linestyle=s, label=side) for side, (c, m, s) in _SIDES.items()
    ]
    marks.append(
        Line2D(
            [], [], color=COLORS[0], marker="o", fillstyle="none", linestyle="", label="scaled up from fewer anchors"
        )
    )
    part.legend(handles=marks, loc="outside upper center", ncols=3, frameon=False)


def _line(axis: Axes, side: str, rows: list[Row]) -> None:
    colour, mark, style = _SIDES[side]
    seconds = [row[f"{side}_s"] * row["n"] / row["anchors"] for row in rows]
    axis.plot([row["n"] for row in rows], seconds, color=colour, linestyle=style)
    for row, value in zip(rows, seconds, strict=True):
        whole = "full" if row["anchors"] == row["n"] else "none"
        axis.plot(row["n"], value, color=colour, marker=mark, markersize=4, fillstyle=whole)
        if whole == "none":
            axis.annotate(
                f"{row['anchors']} anchors", (row["n"], value), xytext=(-5, 0), textcoords="offset points",
                ha="right", va="center", fontsize=SMALLEST,
            )  # fmt: skip


def _goals(axis: Axes, runs: list[Run]) -> None:
    """A line a goal: by what factor each run misses it, the latest dark."""
    for place, run in enumerate(runs):
        shade = str(0.8 * (1 - (place + 1) / len(runs)))
        missed = [(goal.value(run["rows"]), line) for line, goal in enumerate(GOALS)]
        found = [(GOALS[line].missed_by(value), line) for value, line in missed if value is not None]
        label = f"{run['date']}, {run['commit']}"
        across, down = zip(*found, strict=True)
        axis.scatter(across, down, color=shade, s=16, label=label, zorder=3)
    axis.axvline(1, color=COLORS[2], linewidth=1.5)
    axis.set(
        xscale="log", xlabel="value over goal (of ratios goal over value): met left of the line", ylim=(len(GOALS), -1)
    )
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_yticks(range(len(GOALS)), [f"{goal.name}, n = {goal.n:,}: {goal.shown(goal.bound)}" for goal in GOALS])
    axis.legend(loc="upper center", bbox_to_anchor=(0.3, -0.11), ncols=3)
