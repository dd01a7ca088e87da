"""Planned trials, and the plan that holds them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any, Literal

from nsh_core.config import Config, make_config, recipe
from nsh_core.errors import UserError
from nsh_core.ranges import has_place
from nsh_core.registry import listed
from nsh_core.settings import parse_assignments, with_overrides
from study.plan.arm import Arm
from study.plan.budget import Tuning
from study.plan.spec import StudySpec

_MOST_NAMED = 12


@dataclass(frozen=True)
class PlannedTrial:
    """One run of a study: an arm with a seed.

    Attributes:
        arm: Of the study.
        config: What runs, the seed included.
        tuned: What tuning changed, or what a tuning trial changes.
        tuning: Whether it is a tuning trial.
        prune_below: Epoch to the validation mAP that a tuning trial must reach there.
        space: Where a tuning trial could lie, by dotted name: each a study.plan.space.Span of Optuna's.
    """

    arm: Arm
    config: Config
    tuned: dict[str, Any] = field(default_factory=dict)
    tuning: bool = False
    prune_below: dict[int, float] = field(default_factory=dict)
    space: dict[str, Any] = field(default_factory=dict)

    @property
    def params(self) -> dict[str, Any]:
        """Where it lies in that space; a default for which a log scale has no place, as 0, is left out."""
        values = {name: self.config.value_of(name) for name in self.space}
        return {name: value for name, value in values.items() if has_place(value)}

    @property
    def seed(self) -> int:
        """Of the config."""
        return self.config.seed

    @property
    def phase(self) -> Literal["tuning", "final"]:
        """As it stands in tables."""
        return "tuning" if self.tuning else "final"


@dataclass(frozen=True)
class Plan:
    """What a command asks for, and the trials that follow.

    Attributes:
        spec: The study.
        dataset: What it trains on.
        assignments: Overrides of every arm, "a.b=c".
        seeds: Of each arm.
        trials: Known so far.
        lacking: Arms that have no trials here, by name: what this machine lacks for them, or that others are asked for.
    """

    spec: StudySpec
    dataset: str
    assignments: tuple[str, ...]
    seeds: int
    trials: tuple[PlannedTrial, ...] = ()
    lacking: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The study's name in storage and folders; another data set or overrides give another key."""
        return study_key(self.spec, self.dataset, self.assignments)

    @property
    def expected(self) -> tuple[int, int]:
        """Tuning trials and final ones, those too that follow from results; of final ones it may come to fewer."""
        tuned = {trial.arm.name for trial in self.trials if trial.tuning}
        finals = sum(not trial.tuning for trial in self.trials)
        if self.spec.tune is None or not tuned:
            return 0, finals
        never = len(self.lacking) * self.seeds if self.spec.how.compares else 0
        return len(tuned) * self.spec.tune.runs(self.seeds), max(finals, self.spec.most_trials(self.seeds)[1] - never)

    @property
    def tuning_key(self) -> str:
        """The name in storage of the tries of tuning; no name of a study has a space."""
        return f"{self.key} tuning"

    @property
    def assigned(self) -> dict[str, Any]:
        """The overrides of every arm, by dotted name."""
        return parse_assignments(self.assignments)

    def settings(self, *layers: Mapping[str, Any]) -> dict[str, Any]:
        """The base, what the command assigns, then the layers, later ones winning.

        `recipe: published` in a layer stands for that recipe of the method that all layers come to. It wins over the
        base, unless it stands in the base itself, and loses to all else.

        Args:
            layers: Settings by dotted name.

        Raises:
            UserError: One is in no section.
        """
        every = [dict(layer) for layer in (self.spec.base, self.assigned, *layers)]
        recipes = [layer.pop("recipe") for layer in every if "recipe" in layer]
        if recipes:
            followed = recipe(recipes[-1], reduce(with_overrides, every, dict[str, Any]()))
            every.insert(0 if "recipe" in self.spec.base else 1, followed)
        return reduce(with_overrides, every, dict[str, Any]())

    @property
    def fixed(self) -> set[str]:
        """The settings that tuning leaves alone in every arm, by dotted name."""
        return {*self.assigned, *({"recipe"} & set(self.spec.base))}

    def config(self, arm: Arm, *layers: Mapping[str, Any]) -> Config:
        """The configuration of an arm.

        Args:
            arm: For the message.
            layers: As for settings.

        Raises:
            UserError: The settings do not fit; the message names study and arm.
        """
        try:
            return make_config(self.settings(*layers))
        except UserError as error:
            raise UserError(f"study {self.spec.name}, arm {arm.name!r}: {error}") from None

    def finals(
        self,
        arm: Arm,
        layers: Sequence[Mapping[str, Any]],
        tuned: dict[str, Any] | None = None,
        seeds: Iterable[int] | None = None,
    ) -> list[PlannedTrial]:
        """An arm with its seeds.

        Args:
            arm: Of the study.
            layers: As for config.
            tuned: What tuning chose among these settings.
            seeds: Instead of all of the plan's.

        Raises:
            UserError: The settings do not fit.
        """
        config = self.config(arm, *layers, {"seed": 0})
        seeds = range(self.seeds) if seeds is None else seeds
        return [PlannedTrial(arm, config.with_seed(seed), tuned or {}) for seed in seeds]


def by_tuning(tune: Tuning, trials: Iterable[PlannedTrial]) -> dict[int, list[PlannedTrial]]:
    """The tuning trials of an arm by which of its tunings they are of.

    Args:
        tune: The budget.
        trials: Tuning trials.
    """
    tunings: dict[int, list[PlannedTrial]] = {}
    for trial in trials:
        tunings.setdefault(tune.tuning_of(trial.seed), []).append(trial)
    return tunings


def left_out(lacking: Mapping[str, str]) -> list[str]:
    """Arms without trials in words, a line for each thing that is lacking.

    Args:
        lacking: As in Plan.
    """
    arms: dict[str, list[str]] = {}
    for arm, line in lacking.items():
        arms.setdefault(line, []).append(arm)
    lines = []
    for line, names in arms.items():
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        lines.append(f"left out: {listed(names[:_MOST_NAMED])}{more}, as {line}")
    return lines


def study_key(spec: StudySpec, dataset: str, assignments: tuple[str, ...]) -> str:
    """The study's name, with the data set and a hash of the overrides where they differ from the spec's.

    Args:
        spec: The study.
        dataset: What it trains on; how a path is spelt makes no difference in one working directory.
        assignments: Overrides of every arm, "a.b=c", in any order.

    Returns:
        NAME, NAME@DATASET-HASH, NAME+HASH or NAME@DATASET-HASH+HASH.
    """
    from nsh_core.data import one_name

    key, dataset = spec.name, one_name(dataset)
    if dataset != one_name(spec.dataset):
        slug = re.sub(r"[^A-Za-z0-9_-]+", "_", Path(dataset.partition(":")[2] or dataset).stem)
        key += f"@{slug}-{hashlib.sha256(dataset.encode()).hexdigest()[:4]}"
    if assignments:
        key += f"+{hashlib.sha256(json.dumps(sorted(assignments)).encode()).hexdigest()[:6]}"
    return key
