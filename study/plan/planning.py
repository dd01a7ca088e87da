"""What a study runs: its trials, known from the start or following from results."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from nsh_core.config import Config, make_config, parse_assignment, setting, with_overrides
from nsh_core.errors import UserError
from nsh_core.methods import DeepMethod, Range, method
from nsh_core.sorters import backend
from study.plan.sampling import STARTUP, Tried, halton_points, prune_below, suggest
from study.plan.spec import StudySpec

FRONT_MOST = 12


@dataclass(frozen=True)
class PlannedTrial:
    """One run of a study: an arm with a seed. tuned: what tuning changed, or tries; tuning: whether it is a try.

    prune_below: epoch to the validation mAP that a try must reach there.
    """

    arm: str
    levels: dict[str, str]
    config: Config
    tuned: dict[str, Any] = field(default_factory=dict)
    tuning: bool = False
    prune_below: dict[int, float] = field(default_factory=dict)

    @property
    def seed(self) -> int:
        return self.config.seed

    @property
    def phase(self) -> Literal["tuning", "final"]:
        return "tuning" if self.tuning else "final"


@dataclass(frozen=True)
class Plan:
    """What a command asks for: a spec, the data set, overrides, and the trials that follow.

    key: the study's name in storage and folders; another data set or overrides give another key.
    """

    spec: StudySpec
    dataset: str
    assignments: tuple[str, ...]
    seeds: int
    trials: tuple[PlannedTrial, ...]

    @property
    def key(self) -> str:
        return study_key(self.spec, self.dataset, self.assignments)


def study_key(spec: StudySpec, dataset: str, assignments: tuple[str, ...]) -> str:
    """The study's name, with the data set and a hash of the overrides where they differ from the spec's."""
    key = spec.name
    if dataset != spec.dataset:
        slug = re.sub(r"[^A-Za-z0-9_-]+", "_", Path(dataset.partition(":")[2] or dataset).stem)
        key += f"@{slug}-{hashlib.sha256(dataset.encode()).hexdigest()[:4]}"
    if assignments:
        key += f"+{hashlib.sha256(json.dumps(sorted(assignments)).encode()).hexdigest()[:6]}"
    return key


def make_plan(
    spec: StudySpec, dataset: str | None = None, assignments: tuple[str, ...] = (), seeds: int | None = None
) -> Plan:
    """The trials that a study starts with, validated. An arm's settings win over `assignments`, those over the base.

    In a mode that tunes these are the first tries, and the final trials of arms that have nothing to tune; see
    `extended` for the others.
    """
    count = spec.seeds if seeds is None else seeds
    if spec.tune is not None and spec.tune.seed < count:
        raise UserError(
            f"study {spec.name}: tune.seed = {spec.tune.seed} is one of the {count} seeds of the final runs"
        )
    plan = Plan(spec, dataset or spec.dataset, assignments, count, ())
    trials: list[PlannedTrial] = []
    for arm in spec.arms():
        if spec.mode == "one_factor" and arm != spec.reference_levels:
            # Mistakes in an arm are told before anything runs; its trials follow from the tuned reference arm.
            _config(plan, arm, {})
            continue
        trials += _first_tries(plan, arm) or _finals(plan, [arm], {})
    return replace(plan, trials=tuple(trials))


def extended(plan: Plan, tried: Mapping[str, Tried]) -> Plan:
    """The plan with what follows from results: the next round of tries of an arm, or the trials after the last round.

    tried: what is over among the tries of the plan, by their config's digest; an arm waits for all tries of its round.
    """
    if plan.spec.tune is None:
        return plan
    more: list[PlannedTrial] = []
    finished: dict[str, list[PlannedTrial]] = {}
    for arm in plan.spec.arms():
        tries = [trial for trial in plan.trials if trial.tuning and trial.levels == arm]
        if not tries or any(trial.config.digest() not in tried for trial in tries):
            continue
        if len(tries) < plan.spec.tune.trials:
            more += _next_tries(plan, arm, [tried[trial.config.digest()] for trial in tries])
        else:
            finished[tries[0].arm] = tries
    if plan.spec.mode == "pareto":
        more += _front_finals(plan, finished, tried)
    else:
        for tries in finished.values():
            best = best_of([tried[trial.config.digest()] for trial in tries])
            if best is not None:
                arms = plan.spec.arms() if plan.spec.mode == "one_factor" else [tries[0].levels]
                more += _finals(plan, arms, best)
    trials = [*plan.trials, *(trial for trial in more if trial not in plan.trials)]
    # An order that does not depend on which arm was faster.
    arms = plan.spec.arms()
    return replace(plan, trials=tuple(sorted(trials, key=lambda trial: (not trial.tuning, arms.index(trial.levels)))))


def best_of(tries: Sequence[Tried]) -> dict[str, Any] | None:
    """The settings with the highest validation mAP, the earliest among equals; none if all failed."""
    done = [one for one in tries if one.state == "complete"]
    return max(done, key=lambda one: one.value).settings if done else None


def pareto_front(points: Sequence[tuple[float, ...]]) -> list[int]:
    """Places of the points that no other is as good as in everything and better than in something; less is better."""
    values = np.array(points, dtype=float).reshape(len(points), -1)
    beaten = [bool(((values <= own).all(axis=1) & (values < own).any(axis=1)).any()) for own in values]
    return [place for place, is_beaten in enumerate(beaten) if not is_beaten]


def _finals(plan: Plan, arms: Sequence[dict[str, str]], tuned: dict[str, Any], mark: str = "") -> list[PlannedTrial]:
    """Every seed of arms, with tuned settings where the arm does not set them itself."""
    return [
        PlannedTrial(plan.spec.name_of(arm) + mark, arm, _config(plan, arm, tuned | {"seed": seed}), tuned)
        for arm in arms
        for seed in range(plan.seeds)
    ]


def _front_finals(
    plan: Plan, finished: Mapping[str, Sequence[PlannedTrial]], tried: Mapping[str, Tried]
) -> list[PlannedTrial]:
    """The trials of the Pareto front, once all arms are explored; of a long front its best in mAP."""
    tries = [(number, trial) for rows in finished.values() for number, trial in enumerate(rows)]
    if len(tries) < sum(trial.tuning for trial in plan.trials) or not tries:
        return []
    done = [(number, trial) for number, trial in tries if tried[trial.config.digest()].state == "complete"]
    found = [tried[trial.config.digest()] for _, trial in done]
    points = [(-one.value, one.seconds, trial.config.code_length) for one, (_, trial) in zip(found, done, strict=True)]
    front = sorted(pareto_front(points), key=lambda place: points[place])[:FRONT_MOST]
    finals = []
    for place in front:
        number, trial = done[place]
        finals += _finals(plan, [trial.levels], trial.tuned, f" #{number}")
    return finals


def _first_tries(plan: Plan, arm: dict[str, str]) -> list[PlannedTrial]:
    """The defaults and points of a Halton sequence: all of them, or the first round of a sampler that learns."""
    tune, space = plan.spec.tune, _space(plan, arm)
    if tune is None or not space:
        return []
    # Points that are chosen without regard to results need no rounds.
    at_once = plan.spec.mode == "pareto" or tune.sampler == "halton"
    count = tune.trials if at_once else min(tune.trials, STARTUP)
    return _tries(plan, arm, [{}, *halton_points(space, count - 1, _stream(plan, arm))], {})


def _next_tries(plan: Plan, arm: dict[str, str], tried: Sequence[Tried]) -> list[PlannedTrial]:
    """The next round of an arm: what the sampler suggests after all rounds before."""
    tune = plan.spec.tune
    assert tune is not None
    space = _space(plan, arm)
    left = tune.trials - len(tried)
    defaults = _values(_config(plan, arm, {}), list(space))
    suggested = suggest(tune.sampler, space, defaults, tried, left, _stream(plan, arm))
    return _tries(plan, arm, suggested, prune_below(tried) if tune.prune else {})


def _values(config: Config, names: Sequence[str]) -> dict[str, float]:
    """The values of settings in a config, by dotted name; a temperature that is left open is its backend's default."""
    settings = config.model_dump()
    if settings["sorter"]["temperature"] is None:
        settings["sorter"]["temperature"] = backend(config.sorter.name).default_temperature
    return {name: setting(settings, name) for name in names}


def _tries(
    plan: Plan, arm: dict[str, str], samples: Sequence[dict[str, Any]], below: dict[int, float]
) -> list[PlannedTrial]:
    assert plan.spec.tune is not None
    seed = {"seed": plan.spec.tune.seed}
    name = plan.spec.name_of(arm)
    return [PlannedTrial(name, arm, _config(plan, arm, sample | seed), sample, True, below) for sample in samples]


def _space(plan: Plan, arm: dict[str, str]) -> dict[str, Range]:
    """What tuning may change in an arm: the search space of its method, less what the arm or the user sets."""
    fixed = {*plan.spec.overrides(arm), *(parse_assignment(text)[0] for text in plan.assignments)}
    if plan.spec.mode == "one_factor":
        # Its levels are tried around the optimum; where a factor names one setting, tuning may choose it freely.
        fixed -= {name for name, levels in plan.spec.factors.items() if isinstance(levels, list)}
    default = _config(plan, arm, {})
    space = dict(method(default.method.name).search_space(default))
    if plan.spec.mode == "pareto":
        space |= {"code_length": Range(8, 128, step=8)}
        if default.train.epochs >= 4 and issubclass(method(default.method.name), DeepMethod):
            space |= {"train.epochs": Range(default.train.epochs // 4, default.train.epochs, step=1)}
    return {name: span for name, span in space.items() if name not in fixed}


def _stream(plan: Plan, arm: dict[str, str]) -> int:
    """The random stream of an arm's tuning."""
    text = f"{plan.spec.name} {plan.spec.name_of(arm)}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


def _config(plan: Plan, arm: dict[str, str], settings: dict[str, Any]) -> Config:
    """The configuration of an arm, with further settings by dotted name.

    In mode one_factor the tuned settings replace the reference levels, and the level that an arm changes replaces them.
    """
    given = dict(parse_assignment(text) for text in plan.assignments)
    base = with_overrides(with_overrides({}, plan.spec.base), given)
    if plan.spec.mode == "one_factor":
        reference = plan.spec.reference_levels
        changed = plan.spec.overrides({factor: label for factor, label in arm.items() if label != reference[factor]})
        # Options of one backend or method say nothing about another.
        kept = {name: value for name, value in settings.items() if f"{name.partition('.')[0]}.name" not in changed}
        layers = [plan.spec.overrides(reference), kept, changed]
    else:
        layers = [plan.spec.overrides(arm), settings]
    for layer in layers:
        base = with_overrides(base, layer)
    try:
        return make_config(base)
    except UserError as error:
        raise UserError(f"study {plan.spec.name}, arm {plan.spec.name_of(arm)!r}: {error}") from None
