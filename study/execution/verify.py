"""Trains a trial of a study again and compares the codes, bit for bit."""

from __future__ import annotations

from dataclasses import dataclass

from optuna.trial import FrozenTrial, TrialState

import nsh_core
from nsh_core import Dataset, UserError
from nsh_core.measures import RESULT, SELECTION
from study.execution.provenance import provenance
from study.execution.queue import TrialQueue
from study.execution.records import Task, TrialFacts
from study.storage.opening import storage_errors


@dataclass(frozen=True)
class Verification:
    """What training again came to.

    Attributes:
        same: Whether the packed codes of all database items are equal.
        lines: What was compared, in words.
    """

    same: bool
    lines: list[str]


def verify(queue: TrialQueue, dataset: Dataset, url: str, number: int, evaluation_threads: int) -> Verification:
    """Trains a trial again from its stored config.

    Args:
        queue: Of the study.
        dataset: Of the study.
        url: Of its storage, for messages.
        number: Of the trial.
        evaluation_threads: CPU threads of evaluations; no result depends on it.

    Returns:
        Whether the codes are the same, and what else was compared.

    Raises:
        UserError: There is nothing to compare.
    """
    trial = _trial(queue, url, number)
    task, facts = Task.of(trial), TrialFacts.of(trial)
    if task.fingerprint != queue.fingerprint:
        raise UserError(
            f"trial {number} is of data with fingerprint {task.fingerprint}, {queue.plan.dataset} has "
            f"{queue.fingerprint}"
        )
    hasher = nsh_core.fit(task.config, dataset, evaluation_threads=evaluation_threads, test=task.phase == "final")
    same = hasher.codes_sha256 == facts.codes_sha256
    lines = [
        f"trial {number}: {task.arm}, seed {task.config.seed}, {task.phase}, config {task.config.digest()}",
        f"codes: {'the same, bit for bit' if same else 'OTHERS'} (SHA-256 stored {str(facts.codes_sha256)[:16]}, "
        f"now {hasher.codes_sha256[:16]})",
    ]
    lines += [
        f"{name}: stored {facts.measures[name]:.6f}, now {hasher.metrics[name]:.6f}"
        for name in (SELECTION, RESULT)
        if name in facts.measures and name in hasher.metrics
    ]
    before, now = facts.provenance, provenance()
    changed = [f"{name}: stored {before.get(name)}, now {now[name]}" for name in now if before.get(name) != now[name]]
    return Verification(same, [*lines, *changed])


def _trial(queue: TrialQueue, url: str, number: int) -> FrozenTrial:
    with storage_errors(url):
        trials = queue.study.get_trials(deepcopy=False)
    if not 0 <= number < len(trials):
        raise UserError(f"study {queue.plan.key} has trials 0 to {len(trials) - 1}, got --verify {number}")
    trial = trials[number]
    if trial.state != TrialState.COMPLETE or TrialFacts.of(trial).codes_sha256 is None:
        state = trial.state.name.lower()
        raise UserError(f"trial {number} is {state} and has no codes to compare: choose a complete one of this version")
    return trial
