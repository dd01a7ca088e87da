"""Puts a study's question, summary, figures and pictures of its trials on optuna-dashboard."""

from __future__ import annotations

import warnings
from pathlib import Path

import optuna_dashboard
import plotly.graph_objects as go
from optuna.exceptions import ExperimentalWarning

from nsh_core import Dataset
from nsh_core.markdown import as_markdown
from nsh_core.measures import RESULT, SELECTION
from study.analysis.results import Results
from study.analysis.verdict import decide
from study.execution.queue import TrialQueue
from study.plan.goal import Goal
from study.registry import FIGURES
from study.reporting.artifacts import add_artifacts
from study.reporting.by_version import by_version
from study.reporting.figures.on_page import on_page
from study.reporting.figures.page_marks import literal
from study.storage.opening import storage_errors


def publish(queue: TrialQueue, dataset: Dataset, url: str, results: Results, artifacts: Path) -> None:
    """Saves note and plotly figures with the study, replacing earlier ones, and pictures of trials that have none.

    Args:
        queue: Of the study.
        dataset: Of the study.
        url: Of its storage, for messages.
        results: Of the study so far.
        artifacts: Folder of pictures, as optuna-dashboard's --artifact-dir.

    Raises:
        UserError: The storage or the folder cannot be written.
    """
    with storage_errors(url):
        with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):
            for study in queue.studies:
                goal = (study is not queue.study and results.spec.tune) or Goal()
                study.set_metric_names([goal.title(results.map_name)])
                optuna_dashboard.save_note(study, note(results) if study is queue.study else tuning_note(results, goal))
        for name, figure in figures(results).items():
            optuna_dashboard.save_plotly_graph_object(queue.study, figure, graph_object_id=name)
        add_artifacts(queue, dataset, artifacts)


def note(results: Results) -> str:
    """The study's note in Markdown: question, answer, a line an arm.

    Args:
        results: Of the study so far.
    """
    verdict = decide(results)
    lines = [f"# {as_markdown(results.spec.question)}", "", as_markdown(verdict.headline), ""]
    lines += [f"> {as_markdown(caution)}\n" for caution in verdict.cautions]
    lines += [f"| arm | seeds | val {results.map_name} | test {results.map_name} |", "|---|---|---|---|"]
    validation, test = results.summary_of(SELECTION), results.summary_of(RESULT)
    for arm in validation["mean"].sort_values(ascending=False).index:
        means = f"{validation['mean'][arm]:.3f} | {results.estimate(arm)}"
        lines.append(f"| {as_markdown(results.marked(str(arm)))} | {test.n[arm]:.0f} | {means} |")
    section = by_version(results)
    for row in section.rows if section is not None else []:
        lines.append(f"\n{' | '.join(map(as_markdown, row))}")
    key = results.facts.key
    lines += ["", f"Data: {as_markdown(results.facts.dataset)}. Report: `python study/report.py --study {key}`"]
    return "\n".join(lines)


def tuning_note(results: Results, goal: Goal) -> str:
    """The note of the study that holds the tries of tuning, in Markdown.

    Args:
        results: Of the study so far.
        goal: What tries are judged by.
    """
    return (
        f"# Tries of tuning: {as_markdown(results.spec.question)}\n\nParameters are the settings that were searched "
        f"and the levels of the factors. Tries are judged by {as_markdown(str(goal))}, on validation queries; what "
        "tuning chose runs with seeds of its own: these trials, and the answer, are in the study "
        f"`{results.facts.key}`."
    )


def figures(results: Results) -> dict[str, go.Figure]:
    """The figures of the dashboard by name, those of the report: every arm, and training.

    Args:
        results: Of the study so far.
    """
    drawn = {}
    for name in ("arms", "curves"):
        chart = FIGURES[name].draw(results)
        if chart is not None:
            # The dashboard shows no caption.
            drawn[name] = go.Figure(on_page(chart)).update_layout(
                title={"text": literal(FIGURES[name].caption.partition(":")[0]), "font": {"size": 14}}, margin={"t": 60}
            )
    return drawn
