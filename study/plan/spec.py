"""Study specifications: YAML files that name a question and the runs that answer it."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from nsh_core.config import read_mapping, validation_line
from nsh_core.errors import UserError

SPECS = Path(__file__).parents[1] / "specs"

FigureName = Literal[
    "arms", "heatmap", "bits", "tuning", "budget", "importance", "one_factor", "pareto", "critical_difference",
    "label_free", "curves", "pr", "health", "cost", "gallery",
]  # fmt: skip
Mode = Literal["grid", "tuned", "one_factor", "pareto"]
MODES = get_args(Mode)
TUNED = "tuned"
MODE_FIGURES: dict[str, tuple[FigureName, ...]] = {
    "grid": (),
    "tuned": ("budget", "tuning", "importance"),
    "one_factor": ("one_factor", "budget", "importance"),
    "pareto": ("pareto",),
}
Level = str | int | float | bool
_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=60)]


class Tuning(BaseModel):
    """The tuning budget of every arm whose method can be tuned: the same number of trials, on validation queries."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    trials: int = Field(20, ge=1, le=10_000, description="configurations tried for each arm, the default one first")
    seed: int = Field(1_000_000, ge=0, lt=2**31, description="of every tuning run; no seed of the final runs")
    sampler: Literal["tpe", "gp", "halton"] = Field(
        "tpe", description="tpe and gp learn from earlier rounds; halton is quasi-random"
    )
    prune: bool = Field(
        True, description="tpe and gp: stop a try that is below the median of earlier rounds at the same epoch"
    )


class StudySpec(BaseModel):
    """One study.

    A factor is a list of values of the setting that it is named after, or a mapping of level names to overrides of
    several settings. What runs is decided by the mode:

    grid: arms are the grid of all factors; every arm runs with every seed.
    tuned: every arm of the grid is tuned first, and its best configuration runs with the seeds.
    one_factor: the reference arm is tuned; arms are its best configuration, and that with one factor at another level.
    pareto: every arm of the grid explores its search space, the code length and fewer epochs; the configurations that
        none beats in validation mAP, training time and code length together run with the seeds.
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
    mode: Mode = Field("grid", description="see above; a spec with `tune` and no mode is tuned")
    tune: Tuning | None = Field(None, description="the budget of a mode that tunes")
    seeds: int = Field(5, ge=1, le=1000, description="runs of each arm, with seeds 0, 1, ...")
    metric: Literal["val_map"] = Field("val_map", description="what Optuna maximises; test is only reported")
    figures: list[FigureName] = Field(
        ["arms", "curves", "pr", "health", "cost", "gallery"], description="drawn in the report where they apply"
    )

    @model_validator(mode="before")
    @classmethod
    def _mode_and_tuning(cls, settings: Any) -> Any:
        if isinstance(settings, dict):
            if settings.get("tune") is not None:
                settings = {"mode": "tuned"} | settings
            elif settings.get("mode", "grid") != "grid":
                settings = settings | {"tune": {}}
        return settings

    @field_validator("question")
    @classmethod
    def _one_line(cls, question: str) -> str:
        return " ".join(question.split())

    @field_validator("factors")
    @classmethod
    def _levels(cls, factors: dict[str, list[Level] | dict[str, Any]]) -> dict[str, Any]:
        for factor, levels in factors.items():
            labels = [str(level) for level in levels]
            unprintable = [label for label in labels if not label.isprintable() or not label.strip()]
            if unprintable:
                raise ValueError(f"level names of {factor!r} must be printable text in one line, got {unprintable}")
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
        if self.mode == "grid" and self.tune is not None:
            raise ValueError(f"mode grid tunes nothing: leave out `tune`, or choose among {', '.join(MODES[1:])}")
        if self.mode == "one_factor" and self.within:
            raise ValueError(f"mode one_factor has one reference, the tuned one: leave out within = {self.within}")
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
        return self.name_of(self.reference_levels)

    @property
    def reference_levels(self) -> dict[str, str]:
        """The level of each factor in the reference arm."""
        return {factor: str(self.reference[factor]) for factor in self.factors}

    def references(self) -> dict[str, str]:
        """For each arm the arm that it is compared with; a reference arm is its own. Empty in mode pareto."""
        if self.mode == "pareto":
            return {}
        reference = self.reference_levels
        return {
            self.name_of(arm): self.name_of(
                {factor: label if factor in self.within else reference[factor] for factor, label in arm.items()}
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
            label = ", ".join(f"{short(factor)}={arm[factor]}" for factor in self.within)
            name = self.name_of(arm)
            groups.setdefault(label, {})[name] = arm_name(own) if self.within else name
        return groups

    def arms(self) -> list[dict[str, str]]:
        """Every arm as factor to level label, in grid order; in mode one_factor the reference arm first."""
        if self.mode == "one_factor":
            reference = self.reference_levels
            return [reference] + [
                reference | {factor: label}
                for factor in self.factors
                for label in self.labels(factor)
                if label != reference[factor]
            ]
        grid = itertools.product(*(self.labels(factor) for factor in self.factors))
        return [dict(zip(self.factors, labels, strict=True)) for labels in grid]

    def name_of(self, arm: dict[str, str]) -> str:
        """The name of an arm; in mode one_factor that of the factor that it changes and its level."""
        if self.mode != "one_factor":
            return arm_name(arm)
        changed = [f"{short(factor)}={label}" for factor, label in arm.items() if label != str(self.reference[factor])]
        return ", ".join(changed) or TUNED

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
    return ", ".join(f"{short(factor)}={label}" for factor, label in arm.items())


def short(factor: str) -> str:
    """The last part of a setting's name."""
    return factor.removesuffix(".name").rpartition(".")[2]


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


def with_mode(spec: StudySpec, mode: str | None, trials: int | None) -> StudySpec:
    """The spec in another mode, under a name of its own, or with another tuning budget. Raises UserError."""
    if mode is not None and mode not in MODES:
        raise UserError(f"--mode must be one of {', '.join(MODES)}, got {mode!r}")
    settings = spec.model_dump()
    if mode is not None and mode != spec.mode:
        settings |= {"mode": mode, "name": f"{spec.name}-{mode}"}
        settings["tune"] = None if mode == "grid" else settings["tune"]
        settings["within"] = [] if mode == "one_factor" else spec.within
        wanted = [name for name in MODE_FIGURES[mode] if name not in spec.figures]
        settings["figures"] = [*wanted, *spec.figures]
    if trials is not None:
        settings["tune"] = (settings["tune"] or {}) | {"trials": trials}
    try:
        return StudySpec.model_validate(settings)
    except ValidationError as error:
        raise UserError(f"study {spec.name}: {validation_line(error)}") from None
