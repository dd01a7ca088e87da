"""The trials of a study that are over, as its storage holds them, for trackers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial

from nsh_core import Config
from nsh_core.measures import SELECTION, Place, measures
from nsh_core.settings import dotted
from study.execution.held import with_all_seeds
from study.execution.queue import TrialQueue, counts, trial_key
from study.execution.records import TrialFacts, state_of
from study.plan.trials import Plan, PlannedTrial
from study.reporting.artifacts import known_artifacts
from study.reporting.tracking.tracker import Setting, TrackedRun
from study.storage.optuna_internals import trial_id

_ALWAYS = ("code_length", "method.name", "sorter.name")
_BY_RADIUS = "_by_radius"


def finished_runs(queue: TrialQueue, pictures: Path) -> dict[str, Callable[[], TrackedRun]]:
    """What reads each trial that is over, by the id of its run, in the plan's order.

    Args:
        queue: Of the study.
        pictures: Folder of the pictures of trials.
    """
    queue = with_all_seeds(queue)
    latest, plan = queue.latest(), queue.plan
    settings = _departing(trial.config for trial in plan.trials)
    known = known_artifacts(queue)
    runs: dict[str, Callable[[], TrackedRun]] = {}
    for planned in plan.trials:
        key = trial_key(planned, queue.fingerprint)
        trial = latest.get(key)
        if trial is None or not counts(trial):
            continue
        identity = f"{plan.key} {planned.arm.name} {key} {trial.datetime_complete}"
        number = hashlib.sha256(identity.encode()).hexdigest()[:16]
        own = {name: pictures / one for name, one in known.get(str(trial_id(trial)), {}).items()}
        runs[number] = partial(_run, number, plan, planned, trial, settings, own)
    return runs


def _run(
    number: str,
    plan: Plan,
    planned: PlannedTrial,
    trial: FrozenTrial,
    settings: Iterable[str],
    pictures: Mapping[str, Path],
) -> TrackedRun:
    known, arm, own = TrialFacts.of(trial), planned.arm.name, _flat(planned.config)
    state = state_of(trial)
    facts: dict[str, Setting] = {
        "study": plan.key,
        "dataset": plan.dataset,
        "arm": arm,
        **{f"factor_{factor}": label for factor, label in planned.arm.levels.items()},
        "seed": planned.seed,
        "phase": planned.phase,
        "state": state,
        "failure": known.failure,
        "trial": trial.number,
        "commit": known.provenance.get("commit", ""),
    }
    params = {name: own[name] for name in settings if own.get(name) is not None}
    history = known.history or [{"epoch": x, SELECTION: y} for x, y in trial.intermediate_values.items()]
    by_epoch = {int(record["epoch"]): {k: v for k, v in record.items() if k != "epoch"} for record in history}
    # What a run costs beside others says nothing: see --measure-cost.
    costs = {one.name for one in measures(Place.COST)}
    ended = trial.datetime_complete
    assert ended is not None
    return TrackedRun(
        number,
        f"{arm}/tuning {trial.number}" if planned.tuning else f"{arm}/{planned.seed}",
        arm,
        state,
        {name: fact for name, fact in facts.items() if fact != ""},
        params | ({"tuned": ", ".join(planned.tuned)} if planned.tuned else {}),
        {"epoch": by_epoch, "radius": _by_radius(known.curves)},
        {name: value for name, value in known.measures.items() if name not in costs},
        {name: path for name, path in pictures.items() if path.is_file()},
        trial.datetime_start or ended,
        ended,
    )


def _by_radius(curves: Mapping[str, list[float | None]]) -> dict[int, dict[str, float]]:
    rows: dict[int, dict[str, float]] = {}
    for name, values in curves.items():
        for radius, value in enumerate(values):
            if value is not None:
                rows.setdefault(radius, {})[name.removesuffix(_BY_RADIUS)] = value
    return dict(sorted(rows.items()))


def _departing(configs: Iterable[Config]) -> list[str]:
    """The settings in which some config departs from the defaults, and those that always say what ran."""
    default = _flat(Config())
    names = dict.fromkeys(_ALWAYS)
    for config in configs:
        names |= {name: None for name, value in _flat(config).items() if value != default.get(name) and name != "seed"}
    return list(names)


def _flat(config: Config) -> dict[str, Any]:
    """Settings by dotted name; a temperature that is left open is its sorter's."""
    return dotted(config.model_dump()) | {"sorter.temperature": config.sorter.softness}
