"""Fills a storage with many trials at once, as if a study had run for long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import text

from study.storage.journal import line_of
from study.storage.opening import open_storage
from study.storage.optuna_internals import behind_the_cache, storage_of, study_id
from study.storage.postgres import Postgres

_PART = 2000


def fill(url: str, study: str, trials: Iterable[FrozenTrial]) -> None:
    """Adds trials to a study, which is made.

    Args:
        url: Path of a journal that is empty, or URL of a database.
        study: Its name.
        trials: That wait, or are complete with a value.
    """
    if "://" not in url:
        _fill_journal(Path(url), study, trials)
        return
    made = optuna.create_study(study_name=study, storage=open_storage(url), direction="maximize", load_if_exists=True)
    database = behind_the_cache(storage_of(made))
    if not isinstance(database, Postgres):
        for trial in trials:
            database.create_new_trial(study_id(made), trial)
        return
    part: list[FrozenTrial] = []
    for trial in trials:
        part.append(trial)
        if len(part) == _PART:
            _add(database, study_id(made), part)
            part = []
    if part:
        _add(database, study_id(made), part)
    with database.engine.begin() as connection:
        connection.execute(text("ANALYZE"))


def _add(database: Postgres, study: int, trials: list[FrozenTrial]) -> None:
    """Trials as if they waited, and then as they are."""
    database.add(study, trials)
    numbered = list(enumerate(trials))
    with database.engine.begin() as connection:
        query = text("SELECT trial_id FROM trials WHERE study_id = :study ORDER BY trial_id DESC LIMIT :count")
        ids = [*connection.scalars(query, {"study": study, "count": len(trials)})][::-1]
        over = [(ids[place], one) for place, one in numbered if one.state == TrialState.COMPLETE]
        if not over:
            return
        connection.execute(
            text(
                "UPDATE trials SET state = 'COMPLETE', datetime_start = CURRENT_TIMESTAMP, "
                "datetime_complete = CURRENT_TIMESTAMP WHERE trial_id = :trial"
            ),
            [{"trial": number} for number, _ in over],
        )
        connection.execute(
            text(
                "INSERT INTO trial_values (trial_id, objective, value, value_type) VALUES (:trial, 0, :value, 'FINITE')"
            ),
            [{"trial": number, "value": one.value} for number, one in over],
        )
        connection.execute(
            text(
                "INSERT INTO trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type) "
                "VALUES (:trial, :step, :value, 'FINITE')"
            ),
            [
                {"trial": number, "step": step, "value": value}
                for number, one in over
                for step, value in one.intermediate_values.items()
            ],
        )


class _Lines(BaseJournalBackend):
    """Writes a journal without locks and syncs."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._new: list[dict[str, Any]] = []

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        self._file.write(b"".join(map(line_of, logs)))
        self._new += logs

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        new, self._new = self._new, []
        yield from new

    def close(self) -> None:
        self._file.close()


def _fill_journal(path: Path, study: str, trials: Iterable[FrozenTrial]) -> None:
    lines = _Lines(path)
    made = optuna.create_study(study_name=study, storage=JournalStorage(lines), direction="maximize")
    for trial in trials:
        storage_of(made).create_new_trial(study_id(made), trial)
    lines.close()
