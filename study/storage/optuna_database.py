"""The private parts of Optuna's databases, apart from the others since they import SQLAlchemy's models."""

from __future__ import annotations

from collections.abc import Container, Iterable

from optuna.distributions import check_distribution_compatibility, distribution_to_json, json_to_distribution
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection, or_, select

from study.storage.optuna_internals import trial_id

__all__ = ["RereadingStorage", "check_levels", "models"]

_LAST_ID = 2**31 - 1
_PART = 500


class RereadingStorage(RDBStorage):
    """A database of which Optuna's cache reads again what may have changed, not all that waits."""

    def _get_trials(
        self,
        study_id: int,
        states: Container[TrialState] | None,
        included_trial_ids: set[int],
        trial_id_greater_than: int,
    ) -> list[FrozenTrial]:
        """Trials that the cache lacks, and those among the ones it has that are over or run, or did not wait."""
        if states is not None or not included_trial_ids:
            return super()._get_trials(study_id, states, included_trial_ids, trial_id_greater_than)
        columns = models.TrialModel.__table__.c
        unfinished = columns.state.in_([TrialState.WAITING, TrialState.RUNNING])
        # In one statement: of two moments, what was made between them would never be looked for.
        query = select(columns.trial_id, columns.state).where(
            columns.study_id == study_id, or_(unfinished, columns.trial_id > trial_id_greater_than)
        )
        with self.engine.connect() as connection:
            rows = connection.execute(query).all()
        there = {number for number, _ in rows}
        asked = [number for number, state in rows if state != TrialState.WAITING or number not in included_trial_ids]
        asked += [number for number in included_trial_ids if number not in there]
        parts = [set(asked[start : start + _PART]) for start in range(0, len(asked), _PART)]
        trials = [
            one for part in parts for one in super(RereadingStorage, self)._get_trials(study_id, None, part, _LAST_ID)
        ]
        return sorted(trials, key=trial_id)


def check_levels(connection: Connection, study_id: int, trials: Iterable[FrozenTrial]) -> None:
    """Looks whether a study has the parameters of trials with the same levels, as Optuna does.

    Args:
        connection: To the database.
        study_id: Of the study.
        trials: To be added to it.

    Raises:
        ValueError: It has not.
    """
    columns, params = models.TrialModel.__table__.c, models.TrialParamModel.__table__
    asked = {(name, distribution_to_json(levels)) for one in trials for name, levels in one.distributions.items()}
    for name, levels in asked:
        known = (
            select(params.c.distribution_json)
            .join_from(params, models.TrialModel.__table__, params.c.trial_id == columns.trial_id)
            .where(columns.study_id == study_id, params.c.param_name == name)
            .limit(1)
        )
        before = connection.scalar(known)
        if before is not None:
            check_distribution_compatibility(json_to_distribution(before), json_to_distribution(levels))
