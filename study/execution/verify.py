"""Trains a trial of a study again and compares the codes, bit for bit."""

from __future__ import annotations

import json
from dataclasses import dataclass

from optuna.trial import FrozenTrial, TrialState

import nsh_core
from nsh_core import Config, UserError
from study.execution.provenance import provenance
from study.execution.trial import facts_of
from study.session import Session
from study.storage.opening import storage_errors


@dataclass(frozen=True)
class Verification:
    """same: whether the packed codes of all database items are equal. lines: what was compared, in words."""

    same: bool
    lines: list[str]


def verify(session: Session, number: int, evaluation_threads: int) -> Verification:
    """Trains trial `number` again from its stored config. Raises UserError if there is nothing to compare."""
    trial = _trial(session, number)
    facts = facts_of(trial)
    if facts["fingerprint"] != session.queue.fingerprint:
        raise UserError(
            f"trial {number} is of data with fingerprint {facts['fingerprint']}, {session.plan.dataset} has "
            f"{session.queue.fingerprint}"
        )
    config = Config.model_validate_json(facts["config"])
    hasher = nsh_core.fit(
        config, session.dataset, evaluation_threads=evaluation_threads, test=facts["phase"] == "final"
    )
    same = hasher.codes_sha256 == facts["codes_sha256"]
    lines = [
        f"trial {number}: {facts['arm']}, seed {facts['seed']}, {facts['phase']}, config {config.digest()}",
        f"codes: {'the same, bit for bit' if same else 'OTHERS'} (SHA-256 stored {facts['codes_sha256'][:16]}, "
        f"now {hasher.codes_sha256[:16]})",
    ]
    lines += [
        f"{name}: stored {facts[name]:.6f}, now {hasher.metrics[name]:.6f}"
        for name in ("val_map", "test_map")
        if name in facts and name in hasher.metrics
    ]
    before, now = json.loads(facts["provenance"]), provenance()
    changed = [f"{name}: stored {before.get(name)}, now {now[name]}" for name in now if before.get(name) != now[name]]
    return Verification(same, [*lines, *changed])


def _trial(session: Session, number: int) -> FrozenTrial:
    with storage_errors(session.url):
        trials = session.queue.study.get_trials(deepcopy=False)
    if not 0 <= number < len(trials):
        raise UserError(f"study {session.plan.key} has trials 0 to {len(trials) - 1}, got --verify {number}")
    trial = trials[number]
    if trial.state != TrialState.COMPLETE or "codes_sha256" not in facts_of(trial):
        state = trial.state.name.lower()
        raise UserError(f"trial {number} is {state} and has no codes to compare: choose a complete one of this version")
    return trial
