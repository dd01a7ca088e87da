"""Puts a study's question, summary, figures and pictures of its trials on optuna-dashboard."""

from __future__ import annotations

import html
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
from study.reporting.artifacts import add_artifacts
from study.reporting.by_version import by_version
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
        if not results.done.empty:
            for name, figure in (("arms", arms_figure(results)), ("training", training_figure(results))):
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


def arms_figure(results: Results) -> go.Figure:
    """Test mAP of each arm, every seed and the mean with its interval.

    Args:
        results: Of the study so far.
    """
    summary = results.summary_of(RESULT)
    order = results.ranked_arms[::-1]
    names = [html.escape(str(arm)) for arm in order]
    means = summary.loc[order]
    figure = go.Figure()
    figure.add_scatter(
        x=results.done[RESULT],
        y=results.done.arm.map(html.escape),
        mode="markers",
        name="seeds",
        marker={"color": "gray", "opacity": 0.5},
    )
    figure.add_scatter(
        x=means["mean"], y=names, mode="markers", name="mean, 95% interval", marker={"symbol": "diamond", "size": 9},
        error_x={
            "type": "data", "symmetric": False,
            "array": (means.both_high - means["mean"]).fillna(0),
            "arrayminus": (means["mean"] - means.both_low).fillna(0),
        },
    )  # fmt: skip
    figure.update_yaxes(categoryorder="array", categoryarray=names)
    return figure.update_layout(title=f"Test {results.map_name} of each arm", xaxis_title=f"test {results.map_name}")


def training_figure(results: Results) -> go.Figure:
    """Mean validation mAP of each arm by epoch.

    Args:
        results: Of the study so far.
    """
    table = results.tables.curves
    means = table[table.curve == SELECTION].groupby(["arm", "x"], sort=False).value.mean()
    figure = go.Figure()
    for arm in means.index.unique("arm"):
        line = means.loc[arm].sort_index()
        figure.add_scatter(x=line.index, y=line, mode="lines+markers", name=html.escape(str(arm)))
    return figure.update_layout(
        title="Training", xaxis_title="epoch", yaxis_title=f"validation {results.map_name}, mean over seeds"
    )
