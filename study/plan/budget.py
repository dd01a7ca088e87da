"""The tuning budget of a study, and what spends it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_serializer, model_validator

from nsh_core.selection import SELECTION
from study.plan.goal import Goal
from study.registry import SAMPLERS


class SamplerConfig(BaseModel):
    """What suggests tuning trials; in a spec its name alone, or a mapping of name and options."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str = Field(description="one of study.registry.SAMPLERS, module:Class, or optunahub:package")
    options: dict[str, Any] = Field(default_factory=dict, description="what its class takes, beside its seed")

    @model_validator(mode="before")
    @classmethod
    def _from_its_name(cls, settings: Any) -> Any:
        return settings if isinstance(settings, (dict, cls)) else {"name": settings}

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if ":" not in name and name not in SAMPLERS:
            raise ValueError(SAMPLERS.unknown(name, ", or module:Class"))
        return name

    @field_validator("options")
    @classmethod
    def _without_a_seed(cls, options: dict[str, Any]) -> dict[str, Any]:
        if "seed" in options:
            raise ValueError("a sampler's seed is the arm's: leave it out")
        return options

    @model_serializer
    def _as_in_a_spec(self) -> Any:
        return {"name": self.name, "options": self.options} if self.options else self.name


class Tuning(Goal):
    """The tuning budget of every arm whose method can be tuned: the same number of trials, on validation queries."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    trials: int = Field(20, ge=1, le=10_000, description="configurations tried for each arm, the default one first")
    seed: int = Field(1_000_000, ge=0, lt=2**31, description="of every tuning run; no seed of the final runs")
    seeds: int = Field(1, ge=1, le=100, description="mode tuned: runs of each try, whose mean it is judged by")
    sampler: SamplerConfig = Field(
        SamplerConfig(name="tpe"),
        description="halton (quasi-random) and random look at no results, all others at those of earlier rounds",
    )
    each_seed: bool = Field(
        False,
        description="mode tuned: tune anew for each seed of the final runs, so that intervals hold what tuning leaves "
        "to chance",
    )
    prune: bool = Field(
        True,
        description="where there are rounds, and tries are judged by validation mAP: stop a trial that is below the "
        "median of earlier ones at the same epoch",
    )

    @property
    def goal(self) -> Goal:
        """What tries are judged by, without the budget."""
        return Goal(objective=self.objective, constraints=self.constraints)

    @property
    def prunes(self) -> bool:
        """Whether trials are stopped: what is known of them on the way is validation mAP."""
        return self.prune and self.objective == SELECTION

    def tuning_of(self, seed: Any) -> Any:
        """Which of an arm's tunings a run is of, from 0: each has seeds of its own.

        Args:
            seed: Of a tuning run, or an array or column of them.
        """
        return (seed - self.seed) // self.seeds

    def runs(self, seeds: int) -> int:
        """Tuning trials of an arm.

        Args:
            seeds: Of the final runs.
        """
        return self.trials * self.seeds * (seeds if self.each_seed else 1)
