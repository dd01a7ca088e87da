"""Whether what studies left is what was written: their storage, record by record, and their tables."""

from __future__ import annotations

from pathlib import Path

import optuna

from nsh_core.errors import UserError
from study.analysis.generation import RUN_FILE
from study.analysis.results import read_results
from study.execution.records import is_whole
from study.storage.opening import open_storage, storage_errors
from study.storage.place import scheme_of, shown
from study.storage.repair import damage


def check(results: Path, storage: str) -> tuple[bool, list[str]]:
    """Reads a storage and all tables beside it.

    Args:
        results: Folder of tables.
        storage: Path or URL.

    Returns:
        Whether all is whole, and what was found, a line each.
    """
    damaged, lines = _storage(storage)
    for folder in sorted(path.parent for path in results.glob(f"*/{RUN_FILE}")):
        try:
            trials = read_results(folder).tables.trials
            states = ", ".join(f"{count} {state}" for state, count in trials.state.value_counts().items())
            lines.append(f"tables {folder}: {len(trials)} trials ({states}), whole")
        except UserError as error:
            damaged = True
            lines.append(f"tables {folder}: {error}")
    return not damaged, lines


def _storage(url: str) -> tuple[bool, list[str]]:
    """Whether a storage is damaged, and what it holds."""
    path = Path(url)
    if scheme_of(url) is None:
        if not path.is_file():
            return False, [f"storage {url}: none"]
        if found := damage(path):
            return True, [f"storage {url}: line {one.line} {one.reason}" for one in found]
    lines, damaged = [], False
    with storage_errors(url):
        opened = open_storage(url)
        for summary in optuna.get_all_study_summaries(opened):
            trials = optuna.load_study(study_name=summary.study_name, storage=opened).get_trials(deepcopy=False)
            broken = [trial.number for trial in trials if trial.state.is_finished() and not is_whole(trial)]
            state = f"damaged are {', '.join(map(str, broken))}: its command trains them again" if broken else "whole"
            lines.append(f"storage {shown(url)}: study {summary.study_name}, {len(trials)} trials, {state}")
            damaged |= bool(broken)
    return damaged, lines
