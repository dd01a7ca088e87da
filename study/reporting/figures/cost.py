"""What quality costs."""

from __future__ import annotations

from nsh_core.measures import RESULT
from study.analysis.results import Results
from study.reporting.figures.chart import Axis, Chart, Panel
from study.reporting.figures.figure import study_figure
from study.reporting.figures.marks import Intervals, Mark, Points, numbers
from study.reporting.figures.style import best_of, by_length, columns_of, estimates, left_out, looks_of, wide

_MOST = 16


@study_figure(
    "Test mAP, with its 95% interval where there are at least three seeds, against training time where a run has the "
    "machine to itself: mean, least and most of the repeats that measured it."
)
def cost(results: Results) -> Chart | None:
    """Test mAP against training seconds, an arm a point, a panel a code length.

    Args:
        results: Of the study.

    Returns:
        The figure, none where cost was not measured (--measure-cost).
    """
    measured = results.tables.cost
    known = [arm for arm in results.arms if arm in set(measured.arm)]
    if not known:
        return None
    seconds = {}
    for arm in known:
        repeats = measured[measured.arm == arm].train_seconds
        seconds[arm] = float(repeats.mean()), float(repeats.min()), float(repeats.max())
    table, looks, panels, drawn = estimates(results, RESULT), looks_of(results, apart=False), [], []
    for title, names in by_length(results, known).items():
        marks: list[Mark] = []
        for arm in best_of(results, names, _MOST):
            drawn.append(arm)
            own, look = table[arm], looks[arm]
            mean, least, most = seconds[arm]
            x, y = numbers([mean]), numbers([own.mean])
            hover = f"{names[arm]}\n{mean:.2f} s\ntest {results.map_name} {results.estimate(arm)}"
            marks += [
                Intervals(look=look, at=y, low=numbers([least]), high=numbers([most]), along="x"),
                Intervals(look=look, at=x, low=numbers([own.low]), high=numbers([own.high])),
                Points(names[arm], look, x=x, y=y, size=5.5, hover=(hover,)),
            ]
        axes = Axis("training time of one run (s)", low=0), Axis(f"test {results.map_name}")
        panels.append(Panel(tuple(marks), *axes, title=title, height=2.6))
    columns = columns_of(len(panels))
    order = sorted(drawn, key=lambda arm: seconds[arm])
    best = max(drawn, key=lambda arm: table[arm].mean)
    told = (
        f"{what} {arm} {table[arm].mean:.3f} in {seconds[arm][0]:.1f} s"
        for what, arm in (("fastest", order[0]), ("slowest", order[-1]), ("highest", best))
    )
    alt = f"Test {results.map_name} against training time of {len(drawn)} arms: {', '.join(told)}."
    note = left_out(len(drawn), len(known))
    return Chart(tuple(panels), alt, note, columns, wide=wide(columns, drawn), share_y=columns > 1)
