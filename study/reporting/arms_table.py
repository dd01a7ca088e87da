"""The arms of a study as tables."""

from __future__ import annotations

from typing import Any

from nsh_core.measures import RESULT, SELECTION, Place
from study.analysis.results import Results
from study.analysis.tuned import tuned_arms
from study.analysis.verdict import Verdict
from study.reporting.notes import CONTINUOUS
from study.reporting.section import Cell, Glance, Section


def arms_table(results: Results, verdict: Verdict) -> Section:
    """A row an arm, in the order of tables, and the continuous input.

    Args:
        results: Of the study.
        verdict: On them.
    """
    shown = results.measured(Place.TABLE)
    summaries = results.summaries_of(shown)
    tuned = tuned_arms(results)
    told = len(set(results.information.values())) > 1
    columns = ["arm", *(["information"] if told else []), "seeds", *(["settings x tries"] if tuned else [])]
    rows, counts = [], results.summary_of(RESULT).n
    for one in shown:
        columns += [results.column(one), *(["over seeds alone"] if one.name == RESULT and results.by_query else [])]
    columns += [results.column(one) for one in results.cost_measures]
    for arm in results.arms:
        row = [f"{arm}{' †' if arm in verdict.tied else ''}"]
        row += [results.information[arm]] if told else []
        row.append(f"{counts[arm]:.0f}")
        if tuned:
            row.append(f"{len(tuned[arm].settings)} x {tuned[arm].tries}" if arm in tuned else "not tuned")
        for one in shown:
            summary: Any = summaries[one.name].loc[arm]
            row.append(results.estimate(arm) if one.name == RESULT else one.text(summary["mean"]))
            if one.name == RESULT and results.by_query:
                seeds = f"[{summary.ci_low:.3f}, {summary.ci_high:.3f}]" if summary.n > 1 else ""
                row.append("deterministic" if arm in results.deterministic else seeds)
        rows.append([*row, *(results.cost_of(arm, one) for one in results.cost_measures)])
    line = {SELECTION: results.facts.continuous.val_map, RESULT: results.facts.continuous.test_map}
    by_column = {results.column(one): line[one.name] for one in shown if one.name in line}
    rows.append([CONTINUOUS, *(f"{by_column[head]:.3f}" if head in by_column else "" for head in columns[1:])])
    best = [results.arms.index(arm) for arm in verdict.best]
    return Section("Arms", [], columns, rows, best)


def glance(results: Results, verdict: Verdict) -> Glance | None:
    """Test mAP with a row for each name within groups and a column for each group; none if there is one group.

    Arms that are left out have no row, and no column.

    Args:
        results: Of the study.
        verdict: On them.
    """
    taken = {
        label: [arm for arm in arms if arm.name not in results.facts.lacking]
        for label, arms in results.spec.groups().items()
    }
    groups = {label: arms for label, arms in taken.items() if arms}
    if len(groups) < 2:
        return None
    known = set(results.arms)
    by_name: dict[str, list[Cell]] = {}
    for column, arms in enumerate(groups.values()):
        for arm in arms:
            mark = " †" if arm.name in verdict.tied else " ‡" if arm.name in results.ceilings else ""
            text = results.estimate(arm.name) + mark if arm.name in known else ""
            cells = by_name.setdefault(arm.name_in_group, [Cell("")] * len(groups))
            cells[column] = Cell(text, arm.name in verdict.best)
    continuous = [Cell(f"{results.facts.continuous.test_map:.3f}")] * len(groups)
    return Glance(["arm", *groups], [*by_name.items(), (CONTINUOUS, continuous)])


def class_order(results: Results) -> str | None:
    """How far mAP would move by ties if the database stood in class order: the arms with the least and the most.

    Args:
        results: Of the study.
    """
    ordered, shuffled = (results.summary_of(name)["mean"] for name in ("test_map_class_order", RESULT))
    moves = (ordered - shuffled)[results.arms].dropna()
    if moves.empty:
        return None
    least, most = str(moves.idxmin()), str(moves.idxmax())
    span = f"{moves[least]:+.4f} ({least})" + (f" to {moves[most]:+.4f} ({most})" if least != most else "")
    return (
        "The database is shuffled by a fixed seed. In class order, ties by index would move the test "
        f"{results.map_name} by {span}."
    )
