"""Writes a study's report: figures, LaTeX, Markdown and one self-contained HTML page."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_eval_context, select_autoescape
from jinja2.nodes import EvalContext

from nsh_core.files import write_atomically
from study.analysis.across import across, blocks
from study.analysis.budget import expected_by_budget, leaders, shown_budgets
from study.analysis.label_free import LABELS, rank_correlations
from study.analysis.results import Results
from study.analysis.verdict import Verdict, decide
from study.reporting import figures as figures
from study.reporting.figures.critical_difference import diagram
from study.reporting.latex import latex_table


@dataclass(frozen=True)
class Section:
    """A table with a title and notes."""

    title: str
    notes: list[str]
    columns: list[str]
    rows: list[list[str]]


def write_report(results: Results, folder: Path, others: Sequence[Results] = ()) -> str:
    """Writes the report into a folder; returns its headline. others: the same study on other data sets."""
    verdict = decide(results)
    images = figures.draw(results, folder)
    together = [_across([results, *others], folder, images)] if others else []
    environment = Environment(
        loader=PackageLoader("study.reporting"),
        autoescape=select_autoescape(enabled_extensions=("html.j2",), default=False),
        undefined=StrictUndefined,
        finalize=_without_tags,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    context = {
        "name": results.facts["key"],
        "question": results.spec.question,
        "verdict": verdict,
        "reference": _reference(results),
        "glance": _glance(results, verdict),
        "table": _table(results, verdict),
        "map_name": results.map_name,
        "class_order": _class_order(results),
        "tuned": _tuned(results),
        "sections": [*together, *filter(None, (_front(results), _budget(results), _label_free(results)))],
        "figures": [
            {"name": name, "caption": figures.CAPTIONS[name], "base64": base64.b64encode(image).decode()}
            for name, image in images.items()
        ],
        "facts": _facts(results),
    }
    for name in ("report.md", "report.html"):
        write_atomically(folder / name, environment.get_template(f"{name}.j2").render(context))
    write_atomically(folder / "table.tex", latex_table(results, verdict))
    return verdict.headline


@pass_eval_context
def _without_tags(context: EvalContext, value: Any) -> Any:
    """In Markdown, where nothing is escaped, a tag that somebody names an arm by would be a tag."""
    return value if context.autoescape or not isinstance(value, str) else re.sub(r"<(?=[A-Za-z/!?])", "&lt;", value)


def _table(results: Results, verdict: Verdict) -> dict[str, Any]:
    """Columns and rows of the arms, in the spec's order, and the index of the best."""
    test = results.summary_of("test_map")
    plain = [
        "val_map",
        "test_map_expected",
        "test_precision",
        "test_precision_radius_2",
        "train_seconds",
        "peak_memory_mb",
    ]
    means = {metric: results.summary_of(metric)["mean"] for metric in plain}
    rows = []
    for arm in results.arms:
        rows.append(
            [
                f"{arm}{' †' if arm in verdict.tied else ''}",
                f"{test.n[arm]:.0f}",
                f"{means['val_map'][arm]:.3f}",
                results.estimate(arm),
                *(f"{means[metric][arm]:.3f}" for metric in plain[1:4]),
                f"{means['train_seconds'][arm]:.1f}",
                f"{means['peak_memory_mb'][arm]:.0f}",
            ]
        )
    continuous = results.facts["continuous"]
    values = ["", f"{continuous['val_map']:.3f}", f"{continuous['test_map']:.3f}"]
    rows.append(["continuous input, by cosine", *values, *[""] * (len(plain) - 1)])
    at = results.facts["precision_at"]
    name = results.map_name
    return {
        "columns": [
            "arm", "seeds", f"val {name}", f"test {name} [95% CI]", "tie-aware", f"P@{at}", "P, radius 2",
            "train s", "MB",
        ],
        "rows": rows,
        "best": [results.arms.index(arm) for arm in verdict.best],
    }  # fmt: skip


def _reference(results: Results) -> str:
    """The reference arm, under its name within the groups where there are several."""
    reference = results.spec.reference_arm
    return next(names[reference] for names in results.spec.groups().values() if reference in names)


def _glance(results: Results, verdict: Verdict) -> dict[str, Any] | None:
    """Test mAP with a row for each name within groups and a column for each group; none if there is one group."""
    groups = results.spec.groups()
    if len(groups) < 2:
        return None
    known = set(results.arms)
    by_name: dict[str, list[dict[str, Any]]] = {}
    for names in groups.values():
        for arm, name in names.items():
            cell = {"text": "", "best": arm in verdict.best}
            if arm in known:
                cell["text"] = f"{results.estimate(arm)}{' †' if arm in verdict.tied else ''}"
            by_name.setdefault(name, []).append(cell)
    continuous = {"text": f"{results.facts['continuous']['test_map']:.3f}", "best": False}
    return {
        "columns": ["", *groups],
        "rows": [*by_name.items(), ("continuous input, by cosine", [continuous] * len(groups))],
    }


def _class_order(results: Results) -> str | None:
    """How far mAP would move by ties if the database stood in class order: the arms with the least and the most."""
    if results.done.empty:
        return None
    ordered, shuffled = (results.summary_of(metric)["mean"] for metric in ("test_map_class_order", "test_map"))
    moves = (ordered - shuffled)[results.arms]
    least, most = str(moves.idxmin()), str(moves.idxmax())
    span = f"{moves[least]:+.4f} ({least})" + (f" to {moves[most]:+.4f} ({most})" if least != most else "")
    return (
        "The database is shuffled by a fixed seed. In class order, ties by index would move the test "
        f"{results.map_name} by {span}."
    )


def _tuned(results: Results) -> list[tuple[str, str]]:
    """The settings that tuning chose, by arm; empty for a study that tunes nothing."""
    trials = results.tables.trials
    tuned = set(results.arms if results.spec.mode == "pareto" else trials[trials.phase == "tuning"].arm)
    lines = []
    for arm, text in results.done.groupby("arm", sort=False).tuned.first().items():
        if arm in tuned:
            settings = ", ".join(f"{name} = {value}" for name, value in json.loads(text).items())
            lines.append((str(arm), settings or "the defaults"))
    return lines


def _front(results: Results) -> Section | None:
    """The Pareto front, where the study looked for one."""
    if results.spec.mode != "pareto" or results.done.empty:
        return None
    means = results.done.groupby("arm", sort=False)[["train_seconds", "bits"]].mean()
    rows = [
        [arm, f"{means.bits[arm]:.0f}", f"{means.train_seconds[arm]:.1f}", results.estimate(arm)]
        for arm in results.arms
    ]
    note = (
        "Configurations that none beats in validation mAP, training time and code length together, best in mAP first; "
        "the number after # is that of the try."
    )
    return Section("The front", [note], ["configuration", "bits", "train s", f"test {results.map_name} [95% CI]"], rows)


def _budget(results: Results) -> Section | None:
    """Validation mAP expected of smaller tuning budgets."""
    table = expected_by_budget(results)
    if len(table) < 2 or results.spec.mode == "pareto":
        return None
    budgets = shown_budgets(len(table))
    rows = [
        [arm, *("" if isnan(table[arm][b]) else f"{table[arm][b]:.3f}" for b in budgets)] for arm in map(str, table)
    ]
    columns = ["arm", *(f"{b} {'try' if b == 1 else 'tries'}" for b in budgets)]
    note = (
        f"Best validation {results.map_name} expected after so many tries, had they come in any order (Dodge et al. "
        "2019); pruned tries count with the value at which they were stopped."
    )
    return Section("With a smaller tuning budget", [*leaders(results, table), note], columns, rows)


def _across(studies: Sequence[Results], folder: Path, images: dict[str, bytes]) -> Section:
    """The study on several data sets, as a table, a CSV file and a diagram."""
    table = across(studies)
    write_atomically(folder / "across.csv", table.to_csv(index=False))
    with figures.styled():
        figure = diagram(blocks(studies))
        if figure is not None:
            images["across"] = figures.save(figure, folder, "across")
    rows = []
    for row in table.to_dict("records"):
        better = f"{row['better']:.2f} [{row['better_low']:.2f}, {row['better_high']:.2f}]"
        score = f"{row['iqm']:.3f} [{row['iqm_low']:.3f}, {row['iqm_high']:.3f}]"
        rows.append([str(row["arm"]), score, "" if isnan(row["better"]) else better, f"{row['rank']:.1f}"])
    names = ", ".join(str(results.facts["dataset"]) for results in studies)
    note = (
        f"Data sets: {names}. A score is test mAP over that of the continuous input by cosine on the same data. "
        "Intervals: bootstrap of runs within data sets, widened for few runs (Hesterberg 2015)."
    )
    columns = ["arm", "interquartile mean score [95% CI]", "P(beats the reference) [95% CI]", "mean rank"]
    return Section("Across data sets", [note], columns, rows)


def _label_free(results: Results) -> Section | None:
    """The table of label-free quantities, where the spec asks for it."""
    if "label_free" not in results.spec.figures or results.done.empty:
        return None
    name = results.map_name
    columns = [
        "quantity",
        f"rank correlation with test {name} [95% CI]",
        f"test {name} of its choice",
        "below the best",
    ]
    rows = [
        [
            LABELS[row["quantity"]],
            f"{row['rho']:+.2f} [{row['ci_low']:+.2f}, {row['ci_high']:+.2f}]",
            f"{row['test_map']:.3f}",
            f"{row['loses']:.3f}",
        ]
        for row in rank_correlations(results.done).to_dict("records")
    ]
    return Section("Selecting without labels", [], columns, rows)


def _facts(results: Results) -> dict[str, str]:
    facts = results.facts
    states = results.tables.trials.state.value_counts()
    return {
        "command": facts["command"],
        "data set": f"{facts['dataset']}, fingerprint {facts['fingerprint']}",
        "items": f"{facts['train_items']} training, {facts['database_items']} database, "
        f"{facts['validation_queries']} validation queries, {facts['test_queries']} test queries",
        "trials": ", ".join(f"{count} {state}" for state, count in states.items()),
        "training time of all trials": f"{results.done.train_seconds.sum() if len(results.done) else 0:.0f} s",
        "storage": facts["storage"],
        "written": facts["written"],
        **facts["provenance"],
    }
