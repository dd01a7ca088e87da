"""Quality, training time and code length together."""

from __future__ import annotations

import numpy as np
import pandas as pd

from study.analysis.front import front
from study.analysis.results import Results
from study.reporting.figures.chart import Axis, Chart, Panel, Shades, on_one_scale
from study.reporting.figures.figure import study_figure
from study.reporting.figures.marks import Intervals, Mark, Numbers, Points, Texts, numbers
from study.reporting.figures.palette import Look
from study.reporting.figures.style import estimates

_WORD = 0.25, 0.07  # width and height of words, as shares of what the points span
_TICKS = (4, 8, 16, 32, 64, 128, 256)
_SECONDS = "training time of one run (s)"


@study_figure(
    "Left: every configuration explored, by training time and validation mAP, colour: code length; diamonds: "
    "those that no try beats in all three, mean over fresh seeds. Right: their test mAP, with its 95% interval where "
    "there are at least three seeds."
)
def pareto(results: Results) -> Chart | None:
    """Every complete tuning trial, and the front: its test mAP over fresh seeds.

    Args:
        results: Of the study.

    Returns:
        The figure, none for a mode that compares arms or without complete final trials.
    """
    trials = results.tables.trials
    if results.mode.compares or results.done.empty:
        return None
    tried = trials[(trials.phase == "tuning") & (trials.state == "complete")]
    kept = front(results)
    low, high = (float(end) for end in pd.concat([tried.bits, kept.bits]).agg(["min", "max"]))
    ticks = tuple(sorted({low, high, *(tick for tick in _TICKS if 1.3 * low < tick < high / 1.3)}))
    shades = Shades("code length K (bits)", low, max(high, low + 1), log=True, ticks=ticks)
    explored = Points(
        x=numbers(tried.train_seconds), y=numbers(tried.val_map), values=numbers(tried.bits), size=4, opacity=0.8,
        hover=_hover(tried, "val_map"),
    )  # fmt: skip
    axes = Axis(_SECONDS, log=True), Axis(results.map_name)
    both = (
        Panel((explored, _diamonds(kept, "val_map")), *axes, title="validation queries"),
        Panel(_tested(results, kept), *axes, title="the front, test queries"),
    )
    told = "; ".join(
        f"{row.bits:.0f} bits in {row.train_seconds:.1f} s {row.test_map:.3f}" for _, row in kept.iterrows()
    )
    alt = f"{len(tried)} tries; test {results.map_name} of the {len(kept)} that none of them beats: {told}."
    return Chart(on_one_scale(both, "y"), alt, columns=2, wide=True, share_y=True, shades=shades)


def _tested(results: Results, kept: pd.DataFrame) -> tuple[Mark, ...]:
    """The front on test queries, with intervals, and the code lengths beside it."""
    found, x, y = estimates(results), numbers(kept.train_seconds), numbers(kept.test_map)
    own = [found[str(arm)] for arm in kept.index]
    words = tuple(f"{length:.0f} bits" for length in kept.bits)
    free = _apart(x, y)
    return (
        Intervals(at=x, low=numbers(one.low for one in own), high=numbers(one.high for one in own), width=0.9),
        _diamonds(kept, "test_map"),
        Texts(x=x[free], y=y[free], texts=tuple(np.array(words)[free])),
    )


def _apart(x: Numbers, y: Numbers) -> list[int]:
    """Which points have words beside them: the colour tells the others, whose words would lie on these."""
    width, height = np.ptp(np.log(x)) * _WORD[0], np.ptp(y) * _WORD[1]
    kept: list[int] = []
    for place in range(len(x)):
        beside = (abs(np.log(x[kept] / x[place])) < width) & (abs(y[kept] - y[place]) < height)
        if not beside.any():
            kept.append(place)
    return kept


def _diamonds(kept: pd.DataFrame, measure: str) -> Points:
    return Points(
        look=Look(marker="D"), x=numbers(kept.train_seconds), y=numbers(kept[measure]), values=numbers(kept.bits),
        size=6.5, hover=_hover(kept, measure),
    )  # fmt: skip


def _hover(rows: pd.DataFrame, measure: str) -> tuple[str, ...]:
    names = rows.arm if "arm" in rows else rows.index
    return tuple(
        f"{name}\n{bits:.0f} bits\n{seconds:.2f} s\n{value:.4f}"
        for name, bits, seconds, value in zip(names, rows.bits, rows.train_seconds, rows[measure], strict=True)
    )
