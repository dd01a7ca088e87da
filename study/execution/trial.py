"""Trials: trains their configs and records in storage everything measured."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import optuna
import torch
from optuna.trial import FrozenTrial, TrialState

import nsh_core
from nsh_core import Config, Dataset, Hasher, TrainingFailure, UserError
from study.execution.memory import peak_mb, reset_peak
from study.execution.provenance import provenance

FINAL_LOSSES = ("loss", "sorted_nce", "anchor")
SHOWN = ("val_map", "test_map", "train_seconds", "failure")
BEAT_SECONDS = 15

Report = Callable[[int, int, float], None]


@dataclass(frozen=True)
class Outcome:
    """What a run came to. facts: everything measured, by name; steps: validation mAP by epoch."""

    state: TrialState
    facts: dict[str, Any]
    steps: dict[int, float] = field(default_factory=dict)


def run_trials(study: optuna.Study, trials: Sequence[optuna.Trial], dataset: Dataset, evaluation_threads: int) -> None:
    """Runs claimed trials of one stack to their ends: COMPLETE with metrics, PRUNED, or FAIL with a reason."""
    frozen = [study._storage.get_trial(trial._trial_id) for trial in trials]

    def report(run: int, epoch: int, value: float) -> None:
        with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):
            trials[run].report(value, epoch)

    with _alive(study, trials[0]._trial_id):
        outcomes = train(
            [Config.model_validate_json(trial.user_attrs["config"]) for trial in frozen],
            dataset,
            evaluation_threads,
            test=frozen[0].user_attrs["phase"] == "final",
            below=[thresholds(trial) for trial in frozen],
            report=report,
        )
    for trial, outcome in zip(trials, outcomes, strict=True):
        record(study, trial, outcome)


def thresholds(trial: FrozenTrial) -> dict[int, float]:
    """Epoch to the validation mAP below which a trial is not worth going on with."""
    return {int(epoch): value for epoch, value in trial.user_attrs.get("prune_below", {}).items()}


def facts_of(trial: FrozenTrial) -> dict[str, Any]:
    """Everything that storage knows of a trial, by name."""
    return trial.user_attrs | json.loads(trial.user_attrs.get("facts", "{}"))


def record(study: optuna.Study, trial: optuna.Trial, outcome: Outcome, reported: bool = True) -> None:
    """Writes an outcome, unless the trial was given up meanwhile: then somebody else runs it.

    reported: whether storage knows the values on the way already.
    """
    try:
        for epoch, value in [] if reported else outcome.steps.items():
            trial.report(value, epoch)
        # One attribute for most facts: each is a transaction of its own.
        shown = {name: fact for name, fact in outcome.facts.items() if name in SHOWN}
        rest = {name: fact for name, fact in outcome.facts.items() if name not in SHOWN}
        for name, fact in [*shown.items(), ("facts", json.dumps(rest))]:
            trial.set_user_attr(name, fact)
        if outcome.state == TrialState.COMPLETE:
            study._storage.set_trial_state_values(trial._trial_id, outcome.state, [outcome.facts["val_map"]])
        else:
            study._storage.set_trial_state_values(trial._trial_id, outcome.state)
    except optuna.exceptions.UpdateFinishedTrialError:
        pass


def train(
    configs: Sequence[Config],
    dataset: Dataset,
    evaluation_threads: int,
    test: bool,
    below: Sequence[Mapping[int, float]],
    report: Report | None = None,
) -> list[Outcome]:
    """Trains runs of one stack; knows no storage, so that it can happen anywhere.

    below: of each run, epoch to the validation mAP that it must reach there, or it is pruned.
    report: called with the place of a run, an epoch and its validation mAP, as they come.
    """
    steps: list[dict[int, float]] = [{} for _ in configs]

    def watch(run: int) -> Callable[[dict[str, float]], None]:
        def on_evaluation(record: dict[str, float]) -> None:
            epoch, value = int(record["epoch"]), record["val_map"]
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
    cost: dict[str, Any] = {
        "total_seconds": (time.perf_counter() - start) / len(configs),
        "stacked": len(configs),
        "provenance": json.dumps(provenance()),
    }
    cost["peak_memory_mb"], cost["peak_cuda_mb"] = peak_mb()
    return [_outcome(result, cost, own) for result, own in zip(results, steps, strict=True)]


def _of_run(report: Report | None, run: int) -> Report | None:
    return None if report is None else lambda _, epoch, value: report(run, epoch, value)


def _outcome(result: Hasher | Exception, cost: dict[str, Any], steps: dict[int, float]) -> Outcome:
    if isinstance(result, optuna.TrialPruned):
        return Outcome(TrialState.PRUNED, cost | {"val_map": steps[max(steps)]}, steps)
    if isinstance(result, Exception):
        return Outcome(TrialState.FAIL, {"failure": _reason(result), "provenance": cost["provenance"]}, steps)
    facts: dict[str, Any] = result.metrics | cost
    facts |= {
        "train_seconds": result.seconds,
        "sorter_form": result.sorter_form,
        "codes_sha256": result.codes_sha256,
        "history": json.dumps(result.history),
        "curves": json.dumps(result.curves),
        "nearest": json.dumps(result.nearest),
    }
    last = result.history[-1] if result.history else {}
    facts |= {f"final_{name}": last[name] for name in FINAL_LOSSES if name in last}
    return Outcome(TrialState.COMPLETE, facts, steps)


@contextlib.contextmanager
def _alive(study: optuna.Study, trial_id: int) -> Iterator[None]:
    """Counts on a trial while it runs, for observers on other hosts; see study.execution.queue."""
    over = threading.Event()

    def count_on() -> None:
        count = 0
        while not over.wait(BEAT_SECONDS):
            count += 1
            beat(study, trial_id, count)

    thread = threading.Thread(target=count_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def beat(study: optuna.Study, trial_id: int, count: int) -> None:
    """A sign of life of a running trial."""
    # If the trial was given up, or storage is away, that shows where the result is recorded.
    with contextlib.suppress(Exception):
        study._storage.set_trial_user_attr(trial_id, "beat", count)


def _reason(error: Exception) -> str:
    """Why a trial failed, in one line. Raises what is no failure of the training itself."""
    line = " ".join(str(error).split())
    if isinstance(error, TrainingFailure):
        return f"{error.name}: {error}"
    if isinstance(error, UserError):
        return f"unusable: {error}"
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "can't allocate memory" in line:
        return f"out_of_memory: {line}"
    if isinstance(error, RuntimeError):
        return f"error: {line}"
    raise error
