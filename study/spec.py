"""Study specifications: YAML files that name a question and the runs that answer it."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from nsh_core.config import (
    Config,
    make_config,
    parse_assignment,
    read_mapping,
    validation_line,
    with_overrides,
)
from nsh_core.errors import UserError
from nsh_core.methods import method

SPECS = Path(__file__).parent / "specs"

FigureName = Literal["arms", "heatmap", "bits", "tuning", "label_free", "curves", "pr", "health", "cost", "gallery"]
Level = str | int | float | bool
_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=60)]


class Tuning(BaseModel):
    """The tuning budget of every arm whose method can be tuned: the same number of trials, on validation queries."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    trials: int = Field(ge=1, le=10_000, description="configurations tried for each arm, the default one first")
    seed: int = Field(1_000_000, ge=0, lt=2**31, description="of every tuning run; no seed of the final runs")


class StudySpec(BaseModel):
    """One study.

    A factor is a list of values of the setting that it is named after, or a mapping of level names to overrides of
    several settings. Arms are the grid of all factors; every arm runs with every seed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: _Name = Field(description="how the study is called in commands, files and the dashboard")
    question: str = Field(min_length=1, description="what the study answers, in a sentence")
    dataset: str = Field("digits", description="digits, or features:PATH.npz")
    base: dict[str, Any] = Field(default_factory=dict, description="settings of every run")
    factors: dict[str, list[Level] | dict[str, dict[str, Any]]] = Field(min_length=1)
    reference: dict[str, Level] = Field(description="factor to level: the arm that the others are compared with")
    within: list[str] = Field(
        default_factory=list, description="factors at whose levels arms are compared, each level with its own reference"
    )
    tune: Tuning | None = Field(
        None, description="tune every arm first, then run its best configuration with the seeds"
    )
    seeds: int = Field(5, ge=1, le=1000, description="runs of each arm, with seeds 0, 1, ...")
    metric: Literal["val_map"] = Field("val_map", description="what Optuna maximises; test is only reported")
    figures: list[FigureName] = Field(
        ["arms", "curves", "pr", "health", "cost", "gallery"], description="drawn in the report where they apply"
    )

    @field_validator("factors")
    @classmethod
    def _levels(cls, factors: dict[str, list[Level] | dict[str, Any]]) -> dict[str, Any]:
        for factor, levels in factors.items():
            labels = [str(level) for level in levels]
            if not labels or len(set(labels)) < len(labels):
                raise ValueError(f"factor {factor!r} needs levels, each once, got {labels}")
        return factors

    @model_validator(mode="after")
    def _reference_exists(self) -> StudySpec:
        if set(self.reference) != set(self.factors):
            raise ValueError(
                f"reference must name a level of each factor ({', '.join(self.factors)}), got {self.reference}"
            )
        for factor, level in self.reference.items():
            labels = [str(known) for known in self.factors[factor]]
            if str(level) not in labels:
                raise ValueError(f"reference level {level!r} of {factor!r} is none of {', '.join(labels)}")
        unknown = [factor for factor in self.within if factor not in self.factors]
        if unknown or len(set(self.within)) == len(self.factors):
            raise ValueError(f"within must name some of the factors ({', '.join(self.factors)}), got {self.within}")
        if self.tune is not None and self.tune.seed < self.seeds:
            raise ValueError(f"tune.seed = {self.tune.seed} is one of the {self.seeds} seeds of the final runs")
        return self

    def labels(self, factor: str) -> list[str]:
        """Level labels of a factor, in the order of the file."""
        return [str(level) for level in self.factors[factor]]

    @property
    def reference_arm(self) -> str:
        """The reference arm, or one of them if arms are compared within levels."""
        return arm_name({factor: str(self.reference[factor]) for factor in self.factors})

    def references(self) -> dict[str, str]:
        """For each arm the arm that it is compared with; a reference arm is its own."""
        return {
            arm_name(arm): arm_name(
                {
                    factor: label if factor in self.within else str(self.reference[factor])
                    for factor, label in arm.items()
                }
            )
            for arm in self.arms()
        }

    def groups(self) -> dict[str, dict[str, str]]:
        """Arms that are compared with one another, by the label of their group: arm to its name within the group.

        A study that compares all arms with one reference has one group, with an empty label.
        """
        groups: dict[str, dict[str, str]] = {}
        for arm in self.arms():
            own = {factor: label for factor, label in arm.items() if factor not in self.within}
            label = ", ".join(f"{_short(factor)}={arm[factor]}" for factor in self.within)
            groups.setdefault(label, {})[arm_name(arm)] = arm_name(own)
        return groups

    def arms(self) -> list[dict[str, str]]:
        """Every arm as factor to level label, in grid order."""
        grid = itertools.product(*(self.labels(factor) for factor in self.factors))
        return [dict(zip(self.factors, labels, strict=True)) for labels in grid]

    def overrides(self, arm: dict[str, str]) -> dict[str, Any]:
        """The settings that an arm changes, by dotted name."""
        result: dict[str, Any] = {}
        for factor, label in arm.items():
            levels = self.factors[factor]
            if isinstance(levels, dict):
                result |= levels[label]
            else:
                result[factor] = levels[self.labels(factor).index(label)]
        return result


def arm_name(arm: dict[str, str]) -> str:
    """An arm's name: the level alone if there is one factor, else factor=level for each (sorter.name is "sorter")."""
    if len(arm) == 1:
        return next(iter(arm.values()))
    return ", ".join(f"{_short(factor)}={label}" for factor, label in arm.items())


def _short(factor: str) -> str:
    return factor.removesuffix(".name").rpartition(".")[2]


@dataclass(frozen=True)
class PlannedTrial:
    """One run of a study: an arm with a seed. tuned: what tuning changed, or tries; tuning: whether it is a try."""

    arm: str
    levels: dict[str, str]
    config: Config
    tuned: dict[str, Any] = field(default_factory=dict)
    tuning: bool = False

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


def available() -> list[StudySpec]:
    """The shipped specs, by name."""
    return [load_spec(str(path)) for path in sorted(SPECS.glob("*.yaml"))]


def load_spec(name: str) -> StudySpec:
    """A shipped spec by name, or a spec file by path. Raises UserError naming what does not fit."""
    path = Path(name) if name.endswith((".yaml", ".yml", ".json")) else SPECS / f"{name}.yaml"
    if path.parent == SPECS and not path.exists():
        raise UserError(
            f"unknown study {name!r}, known: {', '.join(p.stem for p in sorted(SPECS.glob('*.yaml')))}; "
            "or give the path of a .yaml file"
        )
    try:
        return StudySpec.model_validate({"name": path.stem} | read_mapping(path))
    except ValidationError as error:
        raise UserError(f"{path}: {validation_line(error)}") from None


def make_plan(
    spec: StudySpec, dataset: str | None = None, assignments: tuple[str, ...] = (), seeds: int | None = None
) -> Plan:
    """Every trial of a study, validated. An arm's own settings win over `assignments`, those over the base.

    Of a tuned study these are the tuning trials, and the final trials of arms that there is nothing to tune of; see
    with_tuned for the others.
    """
    count = spec.seeds if seeds is None else seeds
    if spec.tune is not None and spec.tune.seed < count:
        raise UserError(
            f"study {spec.name}: tune.seed = {spec.tune.seed} is one of the {count} seeds of the final runs"
        )
    plan = Plan(spec, dataset or spec.dataset, assignments, count, ())
    trials: list[PlannedTrial] = []
    for arm in spec.arms():
        tries = [] if spec.tune is None else _tuning_trials(plan, arm, spec.tune)
        trials += tries or _final_trials(plan, arm, {})
    return replace(plan, trials=tuple(trials))


def with_tuned(plan: Plan, best: Mapping[str, dict[str, Any]]) -> Plan:
    """The plan with the final trials of arms whose tuning is over; best: what it found, by arm."""
    done = {trial.arm for trial in plan.trials if not trial.tuning}
    arms = [arm for arm in plan.spec.arms() if arm_name(arm) in best and arm_name(arm) not in done]
    finals = [trial for arm in arms for trial in _final_trials(plan, arm, best[arm_name(arm)])]
    return replace(plan, trials=(*plan.trials, *finals))


def _final_trials(plan: Plan, arm: dict[str, str], tuned: dict[str, Any]) -> list[PlannedTrial]:
    return [
        PlannedTrial(arm_name(arm), arm, _config(plan, arm, tuned | {"seed": seed}), tuned)
        for seed in range(plan.seeds)
    ]


def _tuning_trials(plan: Plan, arm: dict[str, str], tune: Tuning) -> list[PlannedTrial]:
    """The defaults and points of a scrambled Halton sequence over what the arm's method can be tuned in."""
    fixed = {*plan.spec.overrides(arm), *(parse_assignment(text)[0] for text in plan.assignments)}
    default = _config(plan, arm, {"seed": tune.seed})
    space = method(default.method.name).search_space(default)
    free = {name: span for name, span in space.items() if name not in fixed}
    if not free:
        return []
    # As in nsh_core.methods.sdc: workers and studies without tuning need not spend the import.
    from scipy.stats import qmc

    text = f"{plan.spec.name} {arm_name(arm)}"
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]))
    points = qmc.Halton(len(free), rng=rng).random(tune.trials - 1)
    samples: list[dict[str, Any]] = [{}]
    samples += [{name: span.at(x) for (name, span), x in zip(free.items(), point, strict=True)} for point in points]
    return [
        PlannedTrial(arm_name(arm), arm, _config(plan, arm, sample | {"seed": tune.seed}), sample, tuning=True)
        for sample in samples
    ]


def _config(plan: Plan, arm: dict[str, str], settings: dict[str, Any]) -> Config:
    """The configuration of an arm, with further settings by dotted name."""
    given = dict(parse_assignment(text) for text in plan.assignments)
    base = with_overrides(with_overrides({}, plan.spec.base), given)
    try:
        return make_config(with_overrides(with_overrides(base, plan.spec.overrides(arm)), settings))
    except UserError as error:
        raise UserError(f"study {plan.spec.name}, arm {arm_name(arm)!r}: {error}") from None
