"""Whether what studies left is what was written: their storage, record by record, and their tables."""

from __future__ import annotations

from pathlib import Path

import optuna
from optuna.trial import TrialState

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
    damaged, lines, held = _storage(storage)
    for folder in sorted(path.parent for path in results.glob(f"*/{RUN_FILE}")):
        try:
            read = read_results(folder)
            trials = read.tables.trials
            states = ", ".join(f"{count} {state}" for state, count in trials.state.value_counts().items())
            complete = int(((trials.phase == "final") & (trials.state == "complete")).sum())
            # By the last of its name: the folder may have moved.
            same = Path(read.facts.storage).name == Path(shown(storage)).name
            lost = complete - held.get(read.facts.key, complete)
            if same and lost > 0:
                damaged = True
                state = f"complete trials there that the storage has not: {lost}; its command trains them again"
            else:
                state = "whole"
            lines.append(f"tables {folder}: {len(trials)} trials ({states}), {state}")
        except UserError as error:
            damaged = True
            lines.append(f"tables {folder}: {error}")
    return not damaged, lines


def _storage(url: str) -> tuple[bool, list[str], dict[str, int]]:
    """Whether a storage is damaged, what it holds, and how many complete trials of each study."""
    path = Path(url)
    if scheme_of(url) is None:
        if not path.is_file():
            return False, [f"storage {url}: none"], {}
        if found := damage(path):
            return True, [f"storage {url}: line {one.line} {one.reason}" for one in found], {}
    lines, damaged, held = [], False, {}
    with storage_errors(url):
        opened = open_storage(url)
        for summary in optuna.get_all_study_summaries(opened):
            trials = optuna.load_study(study_name=summary.study_name, storage=opened).get_trials(deepcopy=False)
            broken = [trial.number for trial in trials if trial.state.is_finished() and not is_whole(trial)]
            state = f"damaged are {', '.join(map(str, broken))}: its command trains them again" if broken else "whole"
            lines.append(f"storage {shown(url)}: study {summary.study_name}, {len(trials)} trials, {state}")
            damaged |= bool(broken)
            held[summary.study_name] = sum(trial.state == TrialState.COMPLETE for trial in trials)
    return damaged, lines, held
