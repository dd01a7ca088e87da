"""The tuning budget of a study."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Tuning(BaseModel):
    """The tuning budget of every arm whose method can be tuned: the same number of trials, on validation queries."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    trials: int = Field(20, ge=1, le=10_000, description="configurations tried for each arm, the default one first")
    seed: int = Field(1_000_000, ge=0, lt=2**31, description="of every tuning run; no seed of the final runs")
    seeds: int = Field(1, ge=1, le=100, description="mode tuned: runs of each try, whose mean it is judged by")
    sampler: Literal["tpe", "gp", "halton"] = Field(
        "tpe", description="tpe and gp learn from earlier rounds; halton is quasi-random"
    )
    each_seed: bool = Field(
        False,
        description="mode tuned: tune anew for each seed of the final runs, so that intervals hold what tuning leaves "
        "to chance",
    )
    prune: bool = Field(
        True, description="tpe and gp: stop a trial that is below the median of earlier rounds at the same epoch"
    )
