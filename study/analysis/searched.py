"""Where tuning searched, as run.json keeps it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict

from study.plan.trials import PlannedTrial


class Searched(BaseModel):
    """Where one setting was searched.

    Attributes:
        low: Least value.
        high: Largest value; the default is not beyond either.
        step: Of which values are multiples, from the least on; none where they need not be.
        log: Whether it was searched on a log scale.
    """

    model_config = ConfigDict(frozen=True)

    low: float
    high: float
    step: float | None = None
    log: bool = False


def searched(trials: Iterable[PlannedTrial]) -> dict[str, dict[str, Searched]]:
    """The search space of each arm that was tuned, by its name and the setting's.

    Args:
        trials: Of the study's plan.
    """
    first: dict[str, PlannedTrial] = {}
    for trial in trials:
        if trial.tuning:
            first.setdefault(trial.arm.name, trial)
    return {arm: {name: _of(span) for name, span in trial.space.items()} for arm, trial in first.items()}


def _of(span: Any) -> Searched:
    return Searched(low=span.low, high=span.high, step=span.step, log=span.log)
