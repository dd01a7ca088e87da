"""Trains a trial of a study's tables again and compares the codes, or what they retrieve."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

import nsh_core
from nsh_core import Config, Dataset, UserError
from nsh_core.measures import RESULT, SELECTION
from study.analysis.results import read_results
from study.analysis.versions import provenances
from study.execution.provenance import (
    CPU_CAPABILITY,
    CPU_MAKER,
    capability_setting,
    differences,
    differing,
    provenance,
    version_of,
)

# Of 310 committed trials that processors of two makers trained none moved by more than .025 (docs/measured/makers.csv).
TOLERANCE = 0.03
_TRIES = "tuning:"


@dataclass(frozen=True)
class Verification:
    """What training again came to.

    Attributes:
        holds: Whether the packed codes of all database items are equal or, where another kind of processor trained
            them, the mAP within TOLERANCE.
        lines: What was compared, in words.
    """

    holds: bool
    lines: list[str]


def verify(folder: Path, dataset: Dataset, asked: str, evaluation_threads: int) -> Verification:
    """Trains a trial again from its stored config; its tables are enough, as they are committed.

    Args:
        folder: Of the study's results.
        dataset: Of the study.
        asked: Number of a final trial, or tuning:NUMBER of a try.
        evaluation_threads: CPU threads of evaluations; no result depends on it.

    Returns:
        Whether it holds, and what was compared.

    Raises:
        UserError: There is nothing to compare, or these are other data.
    """
    trial = _trial(folder, dataset, asked)
    config = Config.model_validate_json(trial.config)
    hasher = nsh_core.fit(config, dataset, evaluation_threads=evaluation_threads, test=trial.phase == "final")
    lines = [f"trial {asked}: {trial.arm}, seed {config.seed}, {trial.phase}, config {config.digest()}"]
    same = hasher.codes_sha256 == trial.codes_sha256
    lines.append(
        f"codes: {'the same, bit for bit' if same else 'OTHERS'} (SHA-256 stored {trial.codes_sha256[:16]}, "
        f"now {hasher.codes_sha256[:16]})"
    )
    apart = 0.0
    for name in (SELECTION, RESULT):
        if name in hasher.metrics and pd.notna(trial[name]):
            lines.append(f"{name}: stored {trial[name]:.6f}, now {hasher.metrics[name]:.6f}")
            apart = max(apart, abs(trial[name] - hasher.metrics[name]))
    before, now = version_of(trial.provenance), version_of(provenance())
    lines += differences(before, now)
    others = [name for name in (CPU_CAPABILITY, CPU_MAKER) if name in differing(before, now)]
    if same or not others:
        return Verification(same, lines)
    setting = capability_setting(before[CPU_CAPABILITY]) if others == [CPU_CAPABILITY] else ""
    lines.append(
        f"codes are promised for processors of one {' and '.join(others)}: elsewhere mAP is held to {TOLERANCE:g}, and "
        f"differs by {apart:.4f}" + (f"; set {setting} to compare codes" if setting else "")
    )
    return Verification(apart <= TOLERANCE, lines)


def _trial(folder: Path, dataset: Dataset, asked: str) -> pd.Series:
    """The row of a complete trial of a study on these data, its provenance read."""
    number = asked.removeprefix(_TRIES)
    if not number.isdecimal():
        raise UserError(
            f"the trial to verify must be the number of a final one, or {_TRIES}NUMBER of a try, got {asked!r}"
        )
    results = read_results(folder)
    fingerprint, trials = results.facts.fingerprint, results.tables.trials
    if fingerprint != dataset.fingerprint():
        raise UserError(f"{folder} is of data with fingerprint {fingerprint}, these have {dataset.fingerprint()}")
    numbered = trials.assign(provenance=provenances(trials))[trials.trial.notna()].astype({"trial": int})
    own = numbered[numbered.phase == ("final" if number == asked else "tuning")]
    found = own[own.trial.astype(str) == number]
    if found.empty:
        raise UserError(f"{folder} has {_numbers(numbered)}, got {asked}")
    trial = found.iloc[0]
    if trial.state != "complete":
        raise UserError(f"trial {asked} is {trial.state} and has no codes to compare: choose a complete one")
    return trial


def _numbers(trials: pd.DataFrame) -> str:
    """What may be asked for."""
    spans = []
    for phase, start in (("final", ""), ("tuning", _TRIES)):
        own = trials[trials.phase == phase].trial
        spans += [f"{phase} trials {start}{own.min()} to {start}{own.max()}"] if len(own) else []
    return " and ".join(spans) or "no trials"
