"""Study specifications: YAML files that name a question and the runs that answer it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    Strict,
    field_validator,
    model_validator,
)

from nsh_core.registry import Registry, listed, nearest
from study.plan.arm import Arm, former
from study.plan.budget import Tuning
from study.plan.contrast import Contrast
from study.plan.levels import Level, Levels, check_factors, check_groups
from study.registry import FIGURES, MODES

MOST_SEEDS = 1000
_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=60)]


def _known_in(registry: Registry[Any]) -> AfterValidator:
    def check(name: str) -> str:
        if name not in registry:
            raise ValueError(registry.unknown(name))
        return name

    return AfterValidator(check)


def tunes_nothing(mode: str, asked: str) -> str:
    """What is said of a budget in a mode that has no use for one.

    Args:
        mode: Its name.
        asked: What gave the budget.
    """
    tuning = [name for name in MODES.names() if MODES[name].tunes]
    return f"mode {mode} tunes nothing: leave out {asked}, or choose among the modes {', '.join(tuning)}"


class StudySpec(BaseModel):
    """One study.

    A factor is a list of values of the setting that it is named after, or a mapping of level names to overrides of
    several settings. Its mode decides which arms the factors make and what runs; see study.plan.modes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: _Name = Field(description="how the study is called in commands, files and the dashboard")
    question: str = Field(min_length=1, description="what the study answers, in a sentence")
    dataset: str = Field("digits", description="what is trained on unless a command says otherwise: see load_dataset")
    plugins: list[str] = Field(
        default_factory=list, description="files (my_sorter.py, beside the spec) and modules that register what is used"
    )
    base: dict[str, Any] = Field(default_factory=dict, description="settings of every run")
    factors: dict[str, Levels]
    reference: dict[str, Level] = Field(
        description="factor to level: the arm that others are compared with; default: the first level of each factor"
    )
    within: list[str] = Field(
        default_factory=list, description="factors at whose levels arms are compared, each level with its own reference"
    )
    comparisons: dict[str, list[Annotated[tuple[str, str], Strict(False)]]] = Field(
        default_factory=dict,
        description="question to pairs [arm, arm that it is compared with], by their names within groups: the "
        "contrasts that the study is about; without any, each arm against its reference",
    )
    arm_groups: dict[_Name, dict[str, list[Level]]] = Field(
        default_factory=dict,
        description="name to levels, factor by factor, of a factor left out all: the arms that --arms NAME asks for",
    )
    asks: Literal["arms", "factors", "value", "predictor"] = Field(
        "arms",
        description="what the headline answers: which arm is best, what each factor is worth, which value is best and "
        "how flat it is around it, or which label-free quantity predicts; a Pareto front answers what trades off",
    )
    smallest_effect: float = Field(0.005, gt=0, lt=1, description="mAP below which a difference is practically nothing")
    mode: Annotated[str, _known_in(MODES)] = Field(
        "grid", description="one of study.plan.modes; a spec with `tune` and no mode is tuned"
    )
    tune: Tuning | None = Field(None, description="the budget of a mode that tunes")
    seeds: int = Field(10, ge=1, le=MOST_SEEDS, description="runs of each arm, with seeds 0, 1, ...")
    figures: list[Annotated[str, _known_in(FIGURES)]] = Field(
        ["arms", "curves", "pr", "health", "cost", "gallery"],
        description="drawn in the report where they apply; the default has those of the mode first",
    )

    @model_validator(mode="before")
    @classmethod
    def _mode_and_tuning(cls, settings: Any) -> Any:
        if isinstance(settings, dict):
            if settings.get("tune") is not None:
                settings = {"mode": "tuned"} | settings
            elif settings.get("mode", "grid") != "grid":
                settings = settings | {"tune": {}}
            mode = settings.get("mode")
            if "figures" not in settings and isinstance(mode, str) and mode in MODES:
                settings = settings | {"figures": [*MODES[mode].figures, *cls.model_fields["figures"].default]}
        return settings

    @field_validator("factors")
    @classmethod
    def _some(cls, factors: dict[str, Any]) -> dict[str, Any]:
        if not factors:
            raise ValueError("a study needs at least one factor: a setting with its levels, as sorter.name: [softsort]")
        return factors

    @model_validator(mode="before")
    @classmethod
    def _first_levels(cls, settings: Any) -> Any:
        if not isinstance(settings, dict) or "reference" in settings:
            return settings
        factors = settings.get("factors")
        # What is no factor, or has no level, is told of as such: here it only has no first one.
        known = factors.items() if isinstance(factors, dict) else ()
        first = {factor: next(iter(levels)) for factor, levels in known if isinstance(levels, (list, dict)) and levels}
        return settings | {"reference": first}

    @field_validator("question")
    @classmethod
    def _one_line(cls, question: str) -> str:
        return " ".join(question.split())

    @model_validator(mode="after")
    def _fits_together(self) -> StudySpec:
        check_factors(self.base, self.factors)
        if set(self.reference) != set(self.factors):
            raise ValueError(
                f"reference must name a level of each factor ({', '.join(self.factors)}), got {self.reference}"
            )
        for factor, level in self.reference.items():
            labels = self.labels(factor)
            if str(level) not in labels:
                near = nearest(str(level), labels)
                raise ValueError(f"reference level {level!r} of {factor!r} is none of {listed(labels)}{near}")
        if not self.how.tunes and self.tune is not None:
            raise ValueError(tunes_nothing(self.mode, "`tune`"))
        self.how.check(self)
        unknown = [factor for factor in self.within if factor not in self.factors]
        if unknown or len(set(self.within)) == len(self.factors):
            near = nearest(unknown[0], self.factors) if unknown else ""
            raise ValueError(
                f"within must name some of the factors ({', '.join(self.factors)}), got {self.within}{near}"
            )
        self._check_comparisons()
        shared = [arm.name for arm in self.arms if arm.name in self.arm_groups]
        if shared:
            raise ValueError(f"arm_groups, {shared[0]!r}: an arm is called so too, and --arms could mean either")
        check_groups(self.arm_groups, {factor: self.labels(factor) for factor in self.factors})
        if self.tune is not None and self.tune.seed < self.seeds:
            raise ValueError(f"tune.seed = {self.tune.seed} is one of the {self.seeds} seeds of the final runs")
        return self

    def _check_comparisons(self) -> None:
        names = list(dict.fromkeys(arm.name_in_group for arm in self.arms))
        allowed = {name for arm in self.arms for name in self._names_in_group(arm)}
        for question, pairs in self.comparisons.items():
            for pair in pairs:
                unknown = [name for name in pair if name not in allowed]
                if unknown:
                    raise ValueError(
                        f"comparisons, {question!r}: there is no arm {unknown[0]!r}, known: {listed(names)}"
                        f"{nearest(unknown[0], names)}"
                    )
            if not pairs or len({frozenset(pair) for pair in pairs}) < len(pairs) or any(a == b for a, b in pairs):
                raise ValueError(f"comparisons, {question!r}: needs pairs of two arms, each pair once, got {pairs}")

    def _names_in_group(self, arm: Arm) -> set[str]:
        """What comparisons may call an arm: a number alone, too, where it is the only level."""
        own = {factor: label for factor, label in arm.levels.items() if factor not in self.within}
        return {arm.name_in_group, former(arm.name_in_group, own)}

    @property
    def former_names(self) -> dict[str, str]:
        """Names of arms in tables of earlier versions, to those of now where they differ."""
        names = {former(arm.name, arm.levels): arm.name for arm in self.arms}
        return {before: name for before, name in names.items() if before != name}

    @property
    def how(self) -> Any:
        """The mode itself, a study.plan.mode.Mode."""
        return MODES[self.mode]

    def most_trials(self, seeds: int) -> tuple[int, int]:
        """Tuning trials and final ones, at most: what cannot be tuned has fewer.

        Args:
            seeds: Of the final runs.
        """
        tuned, final = self.how.most(self)
        return 0 if self.tune is None else tuned * self.tune.runs(seeds), final * seeds

    @cached_property
    def arms(self) -> list[Arm]:
        """The arms that the factors make, in the mode's order."""
        return self.how.arms(self)

    def __copy__(self) -> StudySpec:
        # What a copy changes, its arms follow from.
        copied = super().__copy__()
        for name in ("arms", "_levels"):
            copied.__dict__.pop(name, None)
        return copied

    def arm(self, name: str) -> Arm:
        """An arm by name.

        Raises:
            KeyError: There is none.
        """
        return {arm.name: arm for arm in self.arms}[name]

    def arm_at(self, levels: Mapping[str, str]) -> Arm:
        """The arm of some levels.

        Args:
            levels: Factor to level label.
        """
        return next(arm for arm in self.arms if arm.levels == levels)

    @property
    def contrasts(self) -> list[Contrast]:
        """The pairs that the study compares; none in a mode that compares no arms."""
        if not self.comparisons:
            return [
                Contrast(arm.name, arm.reference, group=arm.group)
                for arm in self.arms
                if arm.reference not in (None, arm.name)
            ]
        contrasts = []
        for question, pairs in self.comparisons.items():
            for label, arms in self.groups().items():
                names = {name: arm.name for arm in arms for name in self._names_in_group(arm)}
                contrasts += [
                    Contrast(names[arm], names[reference], question, label)
                    for arm, reference in pairs
                    if arm in names and reference in names
                ]
        return contrasts

    def groups(self) -> dict[str, list[Arm]]:
        """Arms that are compared with one another, by the label of their group; one group is "" where all are."""
        groups: dict[str, list[Arm]] = {}
        for arm in self.arms:
            groups.setdefault(arm.group, []).append(arm)
        return groups

    def labels(self, factor: str) -> list[str]:
        """Level labels of a factor, in the order of the file."""
        return [str(level) for level in self.factors[factor]]

    @property
    def reference_levels(self) -> dict[str, str]:
        """The level of each factor in the reference arm."""
        return {factor: str(self.reference[factor]) for factor in self.factors}

    @property
    def reference_arm(self) -> Arm:
        """The reference arm, or one of them if arms are compared within levels."""
        return self.arm_at(self.reference_levels)

    def overrides(self, levels: Mapping[str, str]) -> dict[str, Any]:
        """The settings that levels change, by dotted name.

        Args:
            levels: Factor to level label.
        """
        result: dict[str, Any] = {}
        for factor, label in levels.items():
            result |= self._levels[factor][label]
        return result

    @cached_property
    def _levels(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Factor to level label to the settings that it changes."""
        return {
            factor: known if isinstance(known, dict) else {str(level): {factor: level} for level in known}
            for factor, known in self.factors.items()
        }
