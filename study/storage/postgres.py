"""Optuna's storage in PostgreSQL, with the steps of the queue in a statement each.

All is in Optuna's own tables. By two indexes of ours on them, which the database keeps right, a look at what waits
takes as long whatever else the study holds; where they may not be made all is the same but slower.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from optuna.distributions import distribution_to_json
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Row, func, insert, inspect, select, text
from sqlalchemy.exc import DBAPIError
from typing_extensions import override

from study.storage.optuna_database import RereadingStorage, check_levels, models
from study.storage.optuna_internals import trial_id as number_of
from study.storage.transactions import CLAIMANT, OWN, Transactions, slim

_TRIALS = models.TrialModel.__table__
_USER, _SYSTEM = models.TrialUserAttributeModel.__table__, models.TrialSystemAttributeModel.__table__
_STUDIES, _PARAMS = models.StudyModel.__table__, models.TrialParamModel.__table__
_KEY, _AFTER = OWN + "key", OWN + "after"
# An earlier version had it among user attributes.
_EARLIER_KEY = "key"
# A look is that of the next claims, too, for so long: it shows less than there is, and nothing wrong.
_LOOK_SECONDS = 1.0
_INDEXES = {
    "nsh_unfinished": "trials (study_id, state, trial_id) WHERE state IN ('WAITING', 'RUNNING')",
    "nsh_key": f"trial_system_attributes (value_json) WHERE key = '{_KEY}'",
}
_ATTRIBUTES = """LEFT JOIN LATERAL (
    SELECT false AS system, key, value_json FROM trial_user_attributes WHERE trial_id = t.trial_id
    UNION ALL SELECT true, key, value_json FROM trial_system_attributes WHERE trial_id = t.trial_id
) a ON true ORDER BY t.trial_id"""
_WAITING = """FROM (
    SELECT trial_id, number, state FROM trials
    WHERE study_id = %(study)s AND state = 'WAITING' AND trial_id > %(after)s ORDER BY trial_id LIMIT %(count)s
) t"""
_WHOLE = f"SELECT t.trial_id, t.number, t.state, a.system, a.key, a.value_json {_WAITING} {_ATTRIBUTES}"
# As one text, which Python reads at once; attributes each by an index, whatever the server takes the tables to hold.
_KEYS = f"""
SELECT json_agg(json_build_array(t.trial_id, t.number, t.state,
    (SELECT value_json::json FROM trial_system_attributes WHERE trial_id = t.trial_id AND key = '{_KEY}'),
    (SELECT value_json::json FROM trial_system_attributes WHERE trial_id = t.trial_id AND key = '{_AFTER}'),
    (SELECT value_json::json FROM trial_user_attributes WHERE trial_id = t.trial_id AND key = '{_EARLIER_KEY}'),
    NULL)) {_WAITING}
"""
_OF_KEYS = f"""
SELECT json_agg(json_build_array(t.trial_id, t.number, t.state,
    k.value_json::json, a.value_json::json, NULL, f.value_json::json))
FROM trial_system_attributes k JOIN trials t ON t.trial_id = k.trial_id
LEFT JOIN trial_system_attributes a ON a.trial_id = k.trial_id AND a.key = '{_AFTER}'
LEFT JOIN trial_user_attributes f ON f.trial_id = k.trial_id AND f.key = 'failure'
WHERE k.key = '{_KEY}' AND k.value_json = ANY(ARRAY(SELECT json_array_elements_text(%(keys)s::json)))
    AND t.study_id = %(study)s AND t.trial_id <> ALL(%(known)s::int[])
"""
_TOLD_OF = "SELECT key, value_json FROM trial_user_attributes WHERE trial_id = %(trial)s"
# Attributes of the trials that a part named "changed" returns.
_TOLD = """INSERT INTO {table} (trial_id, key, value_json)
    SELECT trial_id, told.key, told.value
    FROM changed, unnest(%({keys})s::text[], %({values})s::text[]) AS told (key, value)
    ON CONFLICT (trial_id, key) DO UPDATE SET value_json = excluded.value_json"""
# What bears the name of this claim was taken when a connection broke, and not heard of.
_TAKE = f"""
WITH mine AS MATERIALIZED (
    SELECT t.trial_id, t.number, t.state FROM trial_system_attributes s JOIN trials t ON t.trial_id = s.trial_id
    WHERE s.trial_id = ANY(%(trials)s::int[]) AND s.key = %(claim)s
), free AS MATERIALIZED (
    SELECT trial_id FROM trials
    WHERE trial_id = ANY(%(trials)s::int[]) AND state = 'WAITING' AND NOT EXISTS (SELECT FROM mine)
    ORDER BY trial_id LIMIT %(most)s FOR UPDATE SKIP LOCKED
), changed AS (
    UPDATE trials SET state = 'RUNNING', datetime_start = %(now)s WHERE trial_id IN (SELECT trial_id FROM free)
    RETURNING trial_id, number, state
), system AS ({_TOLD.format(table="trial_system_attributes", keys="keys", values="values")})
SELECT t.trial_id, t.number, t.state, a.system, a.key, a.value_json
FROM (SELECT * FROM changed UNION ALL SELECT * FROM mine) t {_ATTRIBUTES}
"""
_END = f"""
WITH changed AS (
    UPDATE trials SET state = %(state)s::trialstate, datetime_complete = %(now)s
    WHERE trial_id = %(trial)s AND state IN ('WAITING', 'RUNNING') RETURNING trial_id
), users AS ({_TOLD.format(table="trial_user_attributes", keys="user_keys", values="user_values")}
), system AS ({_TOLD.format(table="trial_system_attributes", keys="keys", values="values")}
), worth AS (
    INSERT INTO trial_values (trial_id, objective, value, value_type)
    SELECT trial_id, 0, %(value)s, %(kind)s::trialvaluetype FROM changed WHERE %(kind)s::text IS NOT NULL
    ON CONFLICT (trial_id, objective) DO UPDATE SET value = excluded.value, value_type = excluded.value_type
) SELECT trial_id FROM changed
"""
_REPORT = """
INSERT INTO trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type)
SELECT trial_id, %(step)s, %(value)s, %(kind)s::trialintermediatevaluetype FROM trials
WHERE trial_id = %(trial)s AND state IN ('WAITING', 'RUNNING') ON CONFLICT (trial_id, step) DO UPDATE
SET intermediate_value = excluded.intermediate_value, intermediate_value_type = excluded.intermediate_value_type
"""


class Postgres(RereadingStorage, Transactions):
    """PostgreSQL.

    Args:
        url: Of the database.
        engine_kwargs: See optuna.storages.RDBStorage.
    """

    def __init__(self, url: str, engine_kwargs: dict[str, Any]) -> None:
        super().__init__(url, engine_kwargs)
        # By study and where it began: the last look, and when that was.
        self._looks: dict[tuple[int, int, bool], tuple[float, list[FrozenTrial]]] = {}
        self._at_once = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        for name, columns in _INDEXES.items():
            table = columns.partition(" ")[0]
            # Asked first: to make one that is there takes a lock all the same.
            if name not in {index["name"] for index in inspect(self.engine).get_indexes(table)}:
                # Another makes it at this moment, or the tables are somebody else's.
                with contextlib.suppress(DBAPIError), self.engine.begin() as connection:
                    connection.execute(text(f"CREATE INDEX IF NOT EXISTS {name} ON {columns}"))

    @override
    def add(self, study_id: int, trials: Sequence[FrozenTrial]) -> None:
        columns, key = _TRIALS.c, _SYSTEM.c.value_json
        with self.engine.begin() as connection:
            # Numbers of trials go by the lock of their study, as Optuna's own.
            connection.execute(select(_STUDIES).where(_STUDIES.c.study_id == study_id).with_for_update())
            check_levels(connection, study_id, trials)
            after = {json.dumps(one.system_attrs[_KEY]): one.system_attrs[_AFTER] for one in trials}
            newest = (
                select(key, func.max(columns.number))
                .join_from(_SYSTEM, _TRIALS, _SYSTEM.c.trial_id == columns.trial_id)
                .where(_SYSTEM.c.key == _KEY, key.in_(after), columns.study_id == study_id)
                .group_by(key)
            )
            meanwhile = {one for one, number in connection.execute(newest) if number > after[one]}
            fresh = [one for one in trials if json.dumps(one.system_attrs[_KEY]) not in meanwhile]
            first = connection.execute(select(func.count()).where(columns.study_id == study_id)).scalar_one()
            rows = [
                {"study_id": study_id, "number": first + place, "state": TrialState.WAITING}
                for place in range(len(fresh))
            ]
            if not rows:
                return
            made = connection.scalars(insert(_TRIALS).returning(columns.trial_id, sort_by_parameter_order=True), rows)
            by_id = dict(zip(made, fresh, strict=True))
            for table, attributes in ((_USER, "user_attrs"), (_SYSTEM, "system_attrs")):
                told = [
                    {"trial_id": number, "key": name, "value_json": json.dumps(value)}
                    for number, one in by_id.items()
                    for name, value in getattr(one, attributes).items()
                ]
                connection.execute(insert(table), told)
            params = [
                {
                    "trial_id": number,
                    "param_name": name,
                    "param_value": levels.to_internal_repr(one.params[name]),
                    "distribution_json": distribution_to_json(levels),
                }
                for number, one in by_id.items()
                for name, levels in one.distributions.items()
            ]
            if params:
                connection.execute(insert(_PARAMS), params)

    @override
    def peek(self, study_id: int, after: int, count: int, whole: bool = False) -> list[FrozenTrial]:
        looked, trials = self._looks.get((study_id, after, whole), (0.0, []))
        is_used_up = not any(one.state == TrialState.WAITING for one in trials)
        if is_used_up or time.monotonic() - looked > _LOOK_SECONDS:
            looked, trials = time.monotonic(), self._look(study_id, after, count, whole)
            self._looks = {(study_id, after, whole): (looked, trials)}
        return trials

    def _look(self, study_id: int, after: int, count: int, whole: bool) -> list[FrozenTrial]:
        asked = {"study": study_id, "after": after, "count": count}
        waiting = [*self._trials(_WHOLE, **asked).values()] if whole else self._slim(_KEYS, **asked)
        if any(_EARLIER_KEY in one.user_attrs for one in waiting):
            # No index knows it.
            return self.get_all_trials(study_id, deepcopy=False)
        keys = [json.dumps(one.system_attrs[_KEY]) for one in waiting if _KEY in one.system_attrs]
        if keys:
            known = _ids(map(number_of, waiting))
            waiting += self._slim(_OF_KEYS, study=study_id, keys=json.dumps(keys), known=known)
        return sorted(waiting, key=lambda trial: trial.number)

    @override
    def take(self, trial_ids: Sequence[int], most: int, claim: str, attributes: Mapping[str, Any]) -> list[FrozenTrial]:
        mark = OWN + CLAIMANT + claim
        told = {mark: True} | {OWN + name: value for name, value in attributes.items()}
        taken = self._trials(
            _TAKE,
            trials=_ids(trial_ids),
            claim=mark,
            most=most,
            now=_now(),
            keys=list(told),
            values=_as_json(told),
        )
        # In front of those that were taken all are others' by now.
        gone = {one for one in trial_ids if not taken or one <= max(taken)}
        for _, trials in self._looks.values():
            for trial in trials:
                if number_of(trial) in gone:
                    trial.state = TrialState.RUNNING
        return list(taken.values())

    @override
    def told(self, trial_id: int) -> dict[str, Any]:
        return {row.key: json.loads(row.value_json) for row in self._rows(_TOLD_OF, trial=trial_id)}

    @override
    def end(
        self,
        trial_id: int,
        state: TrialState,
        value: float | None,
        user_attrs: Mapping[str, Any],
        system_attrs: Mapping[str, Any],
    ) -> None:
        stored, kind = (None, None) if value is None else models.TrialValueModel.value_to_stored_repr(value)
        done = self._rows(
            _END,
            trial=trial_id,
            state=state.name,
            now=_now(),
            user_keys=list(user_attrs),
            user_values=_as_json(user_attrs),
            keys=list(system_attrs),
            values=_as_json(system_attrs),
            value=stored,
            kind=None if kind is None else kind.name,
        )
        if not done:
            # Optuna knows why.
            self.set_trial_state_values(trial_id, state)

    @override
    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        stored, kind = models.TrialIntermediateValueModel.intermediate_value_to_stored_repr(intermediate_value)
        with self._at_once.connect() as connection:
            values = {"trial": trial_id, "step": step, "value": stored, "kind": kind.name}
            done = connection.exec_driver_sql(_REPORT, values).rowcount
        if not done:
            super().set_trial_intermediate_value(trial_id, step, intermediate_value)

    def _slim(self, statement: str, **values: Any) -> list[FrozenTrial]:
        """Trials of which no more than their keys, what they follow and why they failed is known."""
        trials = []
        for one, number, state, key, after, earlier_key, failure in self._rows(statement, **values)[0][0] or ():
            user = {"failure": failure, _EARLIER_KEY: earlier_key}
            system = {_KEY: key, _AFTER: after}
            known = ({name: told for name, told in own.items() if told is not None} for own in (user, system))
            trials.append(slim(number, one, TrialState[state], *known))
        return trials

    def _trials(self, statement: str, **values: Any) -> dict[int, FrozenTrial]:
        """Trials by the rows of their attributes."""
        found: dict[int, FrozenTrial] = {}
        for row in self._rows(statement, **values):
            trial = found.get(row.trial_id)
            if trial is None:
                state = TrialState[row.state]
                trial = found[row.trial_id] = slim(row.number, row.trial_id, state, {}, {})
            if row.key is not None:
                (trial.system_attrs if row.system else trial.user_attrs)[row.key] = json.loads(row.value_json)
        return found

    def _rows(self, statement: str, **values: Any) -> Sequence[Row[Any]]:
        """What a statement returns, which is a transaction."""
        with self._at_once.connect() as connection:
            return connection.exec_driver_sql(statement, values).all()


def _ids(trial_ids: Iterable[int]) -> str:
    """Ids as an array, which the driver itself takes long to write."""
    return f"{{{','.join(map(str, trial_ids))}}}"


def _as_json(attributes: Mapping[str, Any]) -> list[str]:
    return [json.dumps(value) for value in attributes.values()]


def _now() -> datetime:
    """As Optuna stores it in databases: UTC, without saying so."""
    return datetime.now(UTC).replace(tzinfo=None)
