"""Label-free quantities against test mAP."""

from __future__ import annotations

from nsh_core.measures import MEASURES
from study.analysis.label_free import called, rank_correlations
from study.analysis.results import Results
from study.reporting.figures.chart import Axis, Chart, Panel, rows_height
from study.reporting.figures.figure import study_figure
from study.reporting.figures.marks import Intervals, Mark, Points, Rule, numbers
from study.reporting.figures.palette import look
from study.reporting.figures.style import extremes


@study_figure(
    "Selecting without labels: Spearman's rank correlation of each quantity with test mAP over the arms, signed so "
    "that 1 selects perfectly; 95% bootstrap interval over arms. Hollow: a quantity that needs labels, for scale."
)
def label_free(results: Results) -> Chart | None:
    """Rank correlation over arms of each label-free quantity with test mAP, and of validation mAP beside them.

    Args:
        results: Of the study.

    Returns:
        The figure, none for fewer than three arms or where nothing varies.
    """
    if results.done.empty:
        return None
    table = rank_correlations(results.done)
    if table.empty:
        return None
    names = [called(MEASURES[name], results.map_name) for name in table.quantity]
    needs = numbers(MEASURES[name].needs_labels for name in table.quantity).astype(bool)
    rho, low, high = (table[column].to_numpy(float) for column in ("rho", "ci_low", "ci_high"))
    at = numbers(range(len(table)))
    said = [
        f"{name}\n{row.rho:+.2f} [{row.ci_low:+.2f}, {row.ci_high:+.2f}]"
        for name, row in zip(names, table.itertuples(), strict=True)
    ]
    marks: list[Mark] = [Rule(at=0, axis="x"), Intervals(at=at, low=low, high=high, along="x", look=look(0))]
    for hollow in (False, True):
        own = needs == hollow
        hover = tuple(text for text, mine in zip(said, own, strict=True) if mine)
        marks.append(Points(look=look(0), x=rho[own], y=at[own], size=4.5, hollow=hollow, hover=hover))
    count = int(table.arms.max())
    panel = Panel(
        tuple(marks), Axis("rank correlation (-1 to 1)", low=-1.05, high=1.05), Axis(names=tuple(names), reversed=True),
        title=f"{count} arms", height=rows_height(len(names), "title"),
    )  # fmt: skip
    found = extremes(dict(zip(names, rho, strict=True)))
    alt = f"Rank correlation with test {results.map_name} over {count} arms of {len(names)} quantities: {found}."
    return Chart((panel,), alt)
