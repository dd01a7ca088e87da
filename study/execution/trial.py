"""Trials: trains their configs and records in storage everything measured."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import optuna
from optuna.trial import TrialState

import nsh_core
from nsh_core import Config, Dataset, Hasher, TrainingFailure, UserError
from nsh_core.errors import is_out_of_memory
from nsh_core.measures import SELECTION
from nsh_core.preparation import prepared
from study.execution.attributes import as_system, known
from study.execution.latency import encode_ms
from study.execution.memory import peak_mb, reset_peak
from study.execution.one_by_one import steps_of
from study.execution.provenance import provenance
from study.execution.records import FACTS, Task, TrialFacts
from study.execution.signs_of_life import alive
from study.storage.optuna_internals import held, storage_of, trial_id

Report = Callable[[int, int, float], None]


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    Attributes:
        state: COMPLETE, PRUNED or FAIL.
        facts: Everything measured.
        steps: Validation mAP by epoch.
    """

    state: TrialState
    facts: TrialFacts
    steps: dict[int, float] = field(default_factory=dict)


def run_trials(trials: Sequence[optuna.Trial], dataset: Dataset, evaluation_threads: int) -> None:
    """Runs claimed trials of one stack to their ends: COMPLETE with measures, PRUNED, or FAIL with a reason.

    Args:
        trials: Of one study, claimed by this process.
        dataset: Of the study.
        evaluation_threads: CPU threads of evaluations; no result depends on it.
    """
    study = trials[0].study
    tasks = [Task.of(held(trial)) for trial in trials]

    def report(run: int, epoch: int, value: float) -> None:
        with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):
            trials[run].report(value, epoch)

    with alive(study, trials[0]):
        outcomes = train(
            [task.config for task in tasks],
            dataset,
            evaluation_threads,
            test=tasks[0].phase == "final",
            below=[task.prune_below for task in tasks],
            report=report,
        )
    for trial, outcome in zip(trials, outcomes, strict=True):
        record(study, trial, outcome)


def record(study: optuna.Study, trial: optuna.Trial, outcome: Outcome, reported: bool = True) -> None:
    """Writes an outcome, unless the trial was given up meanwhile: then somebody else runs it.

    Args:
        study: That it belongs to.
        trial: A running one.
        outcome: What it came to.
        reported: Whether storage knows the values on the way already.
    """
    try:
        for epoch, value in [] if reported else outcome.steps.items():
            trial.report(value, epoch)
        steps = steps_of(storage_of(study))
        task = Task.of(held(trial))
        outcome, worth = _judged(outcome, task)
        if outcome.state != TrialState.FAIL:
            for name, violation in task.goal.violations(outcome.facts.measures, task.config).items():
                trial.set_constraint(name, violation)
        # What people wrote beside it meanwhile is part of the record.
        asked = known(held(trial)) | steps.told(trial_id(trial))
        shown, facts = outcome.facts.attributes(asked)
        steps.end(trial_id(trial), outcome.state, worth, shown, as_system({FACTS: facts}))
    except optuna.exceptions.UpdateFinishedTrialError:
        pass


def _judged(outcome: Outcome, task: Task) -> tuple[Outcome, float | None]:
    """A complete outcome with its value, or failed where its goal has none; others as they are."""
    if outcome.state != TrialState.COMPLETE:
        return outcome, None
    try:
        missing = task.goal.missing(outcome.facts.measures, task.config)
        if not missing:
            return outcome, task.goal.value(outcome.facts.measures)
        failure = f"unusable: the trial has no value of {missing}, by which it is judged"
    except UserError as error:
        failure = f"unusable: {error}"
    facts = TrialFacts(failure=failure, provenance=outcome.facts.provenance)
    return Outcome(TrialState.FAIL, facts, outcome.steps), None


def train(
    configs: Sequence[Config],
    dataset: Dataset,
    evaluation_threads: int,
    test: bool,
    below: Sequence[Mapping[int, float]],
    report: Report | None = None,
) -> list[Outcome]:
    """Trains runs of one stack; knows no storage, so that it can happen anywhere.

    Args:
        configs: Of one stack key.
        dataset: Of the study.
        evaluation_threads: CPU threads of evaluations; no result depends on it.
        test: Whether test queries are looked at.
        below: Of each run, epoch to the validation mAP that it must reach there, or it is pruned.
        report: Called with the place of a run, an epoch and its validation mAP, as they come.

    Returns:
        What each run came to, in the order of configs.
    """
    steps: list[dict[int, float]] = [{} for _ in configs]

    def watch(run: int) -> Callable[[dict[str, float]], None]:
        def on_evaluation(record: dict[str, float]) -> None:
            epoch, value = int(record["epoch"]), record[SELECTION]
            steps[run][epoch] = value
            if report is not None:
                report(run, epoch, value)
            if value < below[run].get(epoch, -1.0):
                raise optuna.TrialPruned

        return on_evaluation

    reset_peak()
    start = time.perf_counter()
    results: list[Hasher | Exception]
    try:
        results = nsh_core.fit_together(
            configs,
            dataset,
            on_evaluation=[watch(run) for run in range(len(configs))],
            evaluation_threads=evaluation_threads,
            test=test,
        )
    except (UserError, MemoryError, RuntimeError) as error:
        if len(configs) > 1:
            # What stops a stack may be one run's, or the size of the stack: each gets a chance alone.
            alone = [
                train([config], dataset, evaluation_threads, test, [limits], _of_run(report, run))
                for run, (config, limits) in enumerate(zip(configs, below, strict=True))
            ]
            return [outcome for outcomes in alone for outcome in outcomes]
        results = [error]
    memory, cuda = peak_mb()
    seconds = (time.perf_counter() - start) / len(configs)
    cost = {"total_seconds": seconds, "peak_memory_mb": memory, "peak_cuda_mb": cuda}
    return [_outcome(result, dataset, cost, len(configs), own) for result, own in zip(results, steps, strict=True)]


def _of_run(report: Report | None, run: int) -> Report | None:
    return None if report is None else lambda _, epoch, value: report(run, epoch, value)


def _outcome(
    result: Hasher | Exception, dataset: Dataset, cost: dict[str, float], stacked: int, steps: dict[int, float]
) -> Outcome:
    if isinstance(result, optuna.TrialPruned):
        measures = cost | {SELECTION: steps[max(steps)]}
        return Outcome(TrialState.PRUNED, TrialFacts(measures, stacked=stacked, provenance=provenance()), steps)
    if isinstance(result, Exception):
        return Outcome(TrialState.FAIL, TrialFacts(failure=_reason(result), provenance=provenance()), steps)
    own = {"train_seconds": result.seconds, "encode_ms": encode_ms(result, prepared(result.config, dataset))}
    facts = TrialFacts(
        result.metrics | cost | own,
        stacked=stacked,
        sorter_form=result.sorter_form,
        codes_sha256=result.codes_sha256,
        history=result.history,
        curves=result.curves,
        nearest=result.nearest,
        ap=result.ap,
        provenance=provenance(),
    )
    return Outcome(TrialState.COMPLETE, facts, steps)


def _reason(error: Exception) -> str:
    """Why a trial failed, in one line. Raises what is no failure of the training itself."""
    line = " ".join(str(error).split())
    if isinstance(error, TrainingFailure):
        return f"{error.name}: {error}"
    if isinstance(error, UserError):
        return f"unusable: {error}"
    if is_out_of_memory(error):
        return f"out_of_memory: {line}"
    if isinstance(error, RuntimeError):
        return f"error: {line}"
    raise error
