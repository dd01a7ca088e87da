"""One trial: trains a config, reports to Optuna, records everything measured."""

from __future__ import annotations

import json
import time
from typing import Any

import optuna
from optuna.trial import TrialState

import nsh_core
from nsh_core import Config, Dataset, TrainingFailure, UserError
from study.memory import peak_mb, reset_peak


def run_trial(study: optuna.Study, trial: optuna.Trial, dataset: Dataset, evaluation_threads: int) -> None:
    """Runs a claimed trial to its end: COMPLETE with its metrics, or FAIL with its reason."""
    config = Config.model_validate_json(trial.user_attrs["config"])
    reset_peak()
    start = time.perf_counter()
    try:
        hasher = nsh_core.fit(
            config,
            dataset,
            on_evaluation=lambda record: trial.report(record["val_map"], int(record["epoch"])),
            evaluation_threads=evaluation_threads,
        )
    except TrainingFailure as error:
        _fail(study, trial, f"{error.name}: {error}")
        return
    except UserError as error:
        _fail(study, trial, f"unusable: {error}")
        return
    except MemoryError as error:
        _fail(study, trial, f"out_of_memory: {error}")
        return
    except RuntimeError as error:
        _fail(study, trial, f"error: {' '.join(str(error).split())}")
        return
    memory, cuda_memory = peak_mb()
    facts: dict[str, Any] = hasher.metrics | {
        "train_seconds": hasher.seconds,
        "total_seconds": time.perf_counter() - start,
        "peak_memory_mb": memory,
        "peak_cuda_mb": cuda_memory,
        "history": json.dumps(hasher.history),
        "curves": json.dumps(hasher.curves),
    }
    for name, value in facts.items():
        trial.set_user_attr(name, value)
    study.tell(trial, hasher.metrics["val_map"])


def _fail(study: optuna.Study, trial: optuna.Trial, reason: str) -> None:
    trial.set_user_attr("failure", reason)
    study.tell(trial, state=TrialState.FAIL)
