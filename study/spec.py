"""Study specifications: YAML files that name a question and the runs that answer it."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

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

SPECS = Path(__file__).parent / "specs"

FigureName = Literal["arms", "heatmap", "bits", "curves", "pr", "health", "cost"]
Level = str | int | float | bool
_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=60)]


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
    seeds: int = Field(5, ge=1, le=1000, description="runs of each arm, with seeds 0, 1, ...")
    metric: Literal["val_map"] = Field("val_map", description="what Optuna maximises; test is only reported")
    figures: list[FigureName] = Field(["arms", "curves", "pr", "health", "cost"], description="drawn in the report")

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
        return self

    def labels(self, factor: str) -> list[str]:
        """Level labels of a factor, in the order of the file."""
        return [str(level) for level in self.factors[factor]]

    @property
    def reference_arm(self) -> str:
        return arm_name({factor: str(self.reference[factor]) for factor in self.factors})

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
    short = {factor: factor.removesuffix(".name").rpartition(".")[2] for factor in arm}
    return ", ".join(f"{short[factor]}={label}" for factor, label in arm.items())


@dataclass(frozen=True)
class PlannedTrial:
    """One run of a study: an arm with a seed."""

    arm: str
    levels: dict[str, str]
    config: Config

    @property
    def seed(self) -> int:
        return self.config.seed


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
    """Every trial of a study, validated. An arm's own settings win over `assignments`, those over the base."""
    count = spec.seeds if seeds is None else seeds
    given = dict(parse_assignment(text) for text in assignments)
    base = with_overrides(with_overrides({}, spec.base), given)
    trials = []
    for arm in spec.arms():
        for seed in range(count):
            settings = with_overrides(base, spec.overrides(arm) | {"seed": seed})
            try:
                config = make_config(settings)
            except UserError as error:
                raise UserError(f"study {spec.name}, arm {arm_name(arm)!r}: {error}") from None
            trials.append(PlannedTrial(arm_name(arm), arm, config))
    return Plan(spec, dataset or spec.dataset, assignments, count, tuple(trials))
