"""Writes a study's report: figures, LaTeX, Markdown and one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nsh_core.files import write_atomically
from nsh_core.measures import RESULT
from study.analysis.results import Results
from study.analysis.verdict import decide
from study.reporting.arm_changes import arm_changes
from study.reporting.arms_table import arms_table, class_order, glance
from study.reporting.base_settings import base_settings
from study.reporting.beside import beside
from study.reporting.cite import bibtex
from study.reporting.figures.drawing import draw
from study.reporting.latex import latex_tables
from study.reporting.notes import LABELS, MARK, brackets
from study.reporting.page import page, templates
from study.reporting.recipes import recipes
from study.reporting.search_spaces import search_spaces
from study.reporting.sections import across_section, sections_of

# Longer lists of comparisons are folded.
_MOST_OPEN = 6


@dataclass(frozen=True)
class Report:
    """What came of writing a report.

    Attributes:
        headline: The answer in a line.
        failures: A line for each figure that failed, and is not in it.
    """

    headline: str
    failures: list[str]


def write_report(results: Results, folder: Path, others: Sequence[Results] = ()) -> Report:
    """Writes the report into a folder; a figure that fails keeps nothing else from being written.

    Args:
        results: Of the study.
        folder: Of its report.
        others: The same study on other data sets.

    Returns:
        The headline, and which figures failed.

    Raises:
        UserError: The folder cannot be written into, or the studies share too few arms.
    """
    verdict = decide(results)
    # Before figures, whose processes have what this one knows by then.
    sections = sections_of(results)
    drawn = draw(results, folder)
    if others:
        together, more = across_section([results, *others], folder)
        sections, drawn = [together, *sections], [*drawn, more]
    failures = [one.failure for one in drawn if one.failure]
    figures = sorted((one for one in drawn if not one.failure), key=lambda one: not one.large)
    context = {
        "name": results.facts.key,
        "question": results.spec.question,
        "verdict": verdict,
        "method": _method(results),
        "mark": " ".join([*([MARK] if verdict.tied else []), *([LABELS] if results.ceilings else [])]),
        "most_open": _MOST_OPEN,
        "glance": glance(results, verdict),
        "table_of_arms": arms_table(results, verdict),
        "map_name": results.map_name,
        "class_order": class_order(results),
        "sections": sections,
        "setup": [one for one in (base_settings(results), arm_changes(results), search_spaces(results)) if one],
        "recipes": recipes(results),
        "bibtex": bibtex(results),
        "papers": results.facts.papers,
        "files": beside(results, folder, [one.name for one in figures]),
        "facts": _facts(results) | ({"left out": "; ".join(failures)} if failures else {}),
    }
    write_atomically(folder / "report.md", templates().get_template("report.md.j2").render(context, figures=figures))
    write_atomically(folder / "report.html", page("report.html.j2", figures, **context))
    write_atomically(folder / "table.tex", latex_tables(results, verdict))
    return Report(verdict.headline, failures)


def _method(results: Results) -> str:
    """What intervals and p values are."""
    paired = "seed and query" if results.by_query else "seed"
    table = results.tables.comparisons
    correlations = table[table.metric == RESULT].correlation.dropna()
    span = f", here {correlations.min():+.2f} to {correlations.max():+.2f}" if len(correlations) else ""
    return (
        f"Differences are of test mAP, paired by {paired}. Pairing by seed helps where arms correlate over seeds{span}."
        f" {brackets(results)}; p is the t test of the same standard error, adjusted by Holm over the comparisons of "
        "one question. Arms are equivalent where two one-sided tests, each at .05 over the number of these "
        "comparisons, put the difference within "
        f"{results.spec.smallest_effect:g}. The training items and the database are taken as they are."
    )


def _facts(results: Results) -> dict[str, str]:
    facts = results.facts
    states = results.tables.trials.state.value_counts()
    return {
        "command": facts.command,
        "data set": f"{facts.dataset}, fingerprint {facts.fingerprint}",
        "items": f"{facts.train_items} training, {facts.database_items} database, "
        f"{facts.validation_queries} validation queries, {facts.test_queries} test queries",
        "trials": ", ".join(f"{count} {state}" for state, count in states.items()),
        "training time of all trials": f"{results.done.train_seconds.sum() if len(results.done) else 0:.0f} s",
        "storage": facts.storage,
        "written": facts.written,
        **facts.provenance,
    }
