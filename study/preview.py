"""A study before it runs: its arms and data, what it costs, and what it can show."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from nsh_core import Dataset, load_dataset
from nsh_core.data.places import cache_folder
from nsh_core.preparation import features_to_come
from study.analysis.design import design_lines
from study.analysis.earlier import Earlier, bytes_of_a_trial, earlier_trials
from study.analysis.results import earlier
from study.analysis.run_facts import RunFacts
from study.execution.amounts import duration
from study.execution.time_left import Kind
from study.execution.timing import timed
from study.plan.trials import Plan, left_out


def preview(plan: Plan, results: Path, journal: Path, jobs: int, console: Console) -> None:
    """Opens the data, times a study that has no trials yet, and prints it all; nothing is written.

    Args:
        plan: Of the study.
        results: Folder of tables.
        journal: The storage, where that is a file.
        jobs: That would run at the same time.
        console: Where it is printed.

    Raises:
        UserError: The data cannot be used, or a run does not fit them.
    """
    dataset = load_dataset(plan.dataset)
    validation, test = len(dataset.validation), len(dataset.test)
    known = earlier_trials(results / plan.key) if _is_of(dataset, results / plan.key) else Earlier()
    console.print(_arms(plan))
    lines = [f"arms {line}" for line in left_out(plan.lacking)]
    lines += [
        f"base: {_in_words(plan.spec.base | plan.assigned) or 'the defaults'}",
        f"data: {dataset.num_train} training items, {len(dataset.database)} in the database, {validation} queries for "
        f"validation, {test} for the test; {dataset.labels_in_words()}",
    ]
    for config in {trial.config.image: trial.config for trial in plan.trials}.values():
        if size := features_to_come(config, dataset):
            lines.append(f"features: of {config.image.backbone}, extracted first: {decimal(size)} in {cache_folder()}")
    lines += _cost(plan, dataset, known, jobs, bytes_of_a_trial(results, journal, validation + test))
    lines += [f"design: {line}" for line in design_lines(plan, earlier(results / plan.key, plan.spec))]
    console.print("\n".join(lines), soft_wrap=True)


def _is_of(dataset: Dataset, folder: Path) -> bool:
    """Whether the trials of a folder were trained on these data."""
    try:
        return RunFacts.read(folder).fingerprint == dataset.fingerprint()
    except (OSError, ValueError):
        return False


def _arms(plan: Plan) -> Table:
    """A row an arm: the settings that tell it from others, and its trials."""
    spec, tuned = plan.spec, {trial.arm.name for trial in plan.trials if trial.tuning}
    from_labels = {trial.arm.name for trial in plan.trials if trial.config.information == "labels"}
    table = Table("arm", "settings", "trials", title=f"{plan.key} on {plan.dataset}")
    for arm in spec.arms:
        trials = [f"{plan.seeds} seeds"] if spec.how.compares and arm.name not in plan.lacking else []
        if spec.tune is not None and arm.name in tuned:
            trials.insert(0, f"{spec.tune.runs(plan.seeds)} tries")
        name = f"{arm.name} (reference)" if arm.name == arm.reference else arm.name
        name = f"{name} (labels)" if arm.name in from_labels else name
        table.add_row(name, _in_words(spec.overrides(arm.levels)), ", ".join(trials))
    return table


def _in_words(settings: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in settings.items()
    )


def _cost(plan: Plan, dataset: Dataset, known: Earlier, jobs: int, each: float) -> list[str]:
    """Trials, time and disk, and where that is known from."""
    kinds = [Kind(trial.arm.name, trial.phase) for trial in plan.trials if trial.config.digest() not in known.over]
    total = sum(plan.expected)
    # Tables may have more seeds than this command asks for.
    over = min(len(known.over), total - len(kinds))
    left = total - over
    most = "at most " if any(trial.tuning for trial in plan.trials) else ""
    trials = f"trials: {most}{total}" + (f", {over} of them over" if over else "")
    if not left:
        return [trials]
    source = f"as its {len(known.over)} earlier trials took"
    if not known.seconds:
        steps = {kind: [seconds] for kind, seconds in timed(plan.trials, dataset).items()}
        known, source = replace(known, seconds=steps), "by a few timed steps, without stacks and evaluations"
    seconds = known.ahead(jobs, kinds, left - len(kinds))
    time = f"about {duration(seconds)} with {jobs} jobs, {source}" if seconds is not None else "not known yet"
    return [trials, f"time: {time}", f"disk: about {decimal(round(each * left))} more"]
