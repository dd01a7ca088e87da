"""Trials: trains their configs, reports to Optuna, records everything measured."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import optuna
from optuna.trial import TrialState

import nsh_core
from nsh_core import Config, Dataset, Hasher, TrainingFailure, UserError
from study.memory import peak_mb, reset_peak

FINAL_LOSSES = ("loss", "sorted_nce", "anchor")


def run_trials(study: optuna.Study, trials: Sequence[optuna.Trial], dataset: Dataset, evaluation_threads: int) -> None:
    """Runs claimed trials of one stack to their ends: COMPLETE with their metrics, or FAIL with their reasons."""
    configs = [Config.model_validate_json(trial.user_attrs["config"]) for trial in trials]
    reset_peak()
    start = time.perf_counter()
    results: list[Hasher | Exception]
    try:
        results = nsh_core.fit_together(
            configs,
            dataset,
            on_evaluation=[_reporter(trial) for trial in trials],
            evaluation_threads=evaluation_threads,
            test=trials[0].user_attrs["phase"] == "final",
        )
    except (UserError, MemoryError, RuntimeError) as error:
        if len(trials) > 1:
            # What stops a stack may be one run's, or the size of the stack: each gets a chance alone.
            for trial in trials:
                run_trials(study, [trial], dataset, evaluation_threads)
            return
        results = [error]
    seconds = (time.perf_counter() - start) / len(trials)
    memory, cuda_memory = peak_mb()
    for trial, result in zip(trials, results, strict=True):
        if isinstance(result, Exception):
            trial.set_user_attr("failure", _reason(result))
            study.tell(trial, state=TrialState.FAIL)
            continue
        facts: dict[str, Any] = result.metrics | {
            "train_seconds": result.seconds,
            "total_seconds": seconds,
            "stacked": len(trials),
            "sorter_form": result.sorter_form,
            "peak_memory_mb": memory,
            "peak_cuda_mb": cuda_memory,
            "history": json.dumps(result.history),
            "curves": json.dumps(result.curves),
            "nearest": json.dumps(result.nearest),
        }
        last = result.history[-1] if result.history else {}
        facts |= {f"final_{name}": last[name] for name in FINAL_LOSSES if name in last}
        for name, value in facts.items():
            trial.set_user_attr(name, value)
        study.tell(trial, result.metrics["val_map"])


def _reporter(trial: optuna.Trial) -> Callable[[dict[str, float]], None]:
    return lambda record: trial.report(record["val_map"], int(record["epoch"]))


def _reason(error: Exception) -> str:
    """Why a trial failed, in one line. Raises what is no failure of the training itself."""
    line = " ".join(str(error).split())
    if isinstance(error, TrainingFailure):
        return f"{error.name}: {error}"
    if isinstance(error, UserError):
        return f"unusable: {error}"
    if isinstance(error, MemoryError):
        return f"out_of_memory: {line}"
    if isinstance(error, RuntimeError):
        return f"error: {line}"
    raise error
