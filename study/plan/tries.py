"""Tries of tuning that are over, and the best of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["complete", "pruned", "failed"]


@dataclass(frozen=True)
class FinishedTrial:
    """A tuning trial that is over.

    Attributes:
        settings: What it changed, by dotted name.
        state: How it ended.
        value: Of the objective, validation mAP unless another is chosen; the last one if it was pruned.
        seconds: Of training.
        steps: Validation mAP by epoch.
        violations: See study.plan.goal.Goal.violations.
    """

    settings: dict[str, Any]
    state: State
    value: float = float("nan")
    seconds: float = float("nan")
    steps: dict[int, float] = field(default_factory=dict)
    violations: dict[str, float] = field(default_factory=dict)

    @property
    def is_feasible(self) -> bool:
        """Whether it keeps all constraints, as far as they are known."""
        return all(violation <= 0 for violation in self.violations.values())


def tries_of(trials: Sequence[FinishedTrial], seeds: int) -> list[FinishedTrial]:
    """Tries, each judged by the mean over its seeds; one that a seed pruned or failed in is pruned or failed.

    Args:
        trials: Of a tuning, all of its rounds; in each round the seeds of a try stand together.
        seeds: Of each try.
    """
    if seeds == 1:
        return list(trials)
    import numpy as np  # which listing studies does without

    tries = []
    for start in range(0, len(trials), seeds):
        own = trials[start : start + seeds]
        states = {one.state for one in own}
        state: State = "complete"
        if states != {"complete"}:
            state = "failed" if "failed" in states else "pruned"
        epochs = set.intersection(*(set(one.steps) for one in own))
        steps = {epoch: float(np.mean([one.steps[epoch] for one in own])) for epoch in sorted(epochs)}
        value, seconds = (float(np.mean(values)) for values in zip(*((o.value, o.seconds) for o in own), strict=True))
        violations = {name: float(np.mean([o.violations.get(name, 0.0) for o in own])) for name in own[0].violations}
        tries.append(FinishedTrial(own[0].settings, state, value, seconds, steps, violations))
    return tries


def best_of(trials: Sequence[FinishedTrial]) -> dict[str, Any] | None:
    """The settings with the highest value among those that keep all constraints, the earliest of equals, if any."""
    done = [one for one in trials if one.state == "complete" and one.is_feasible]
    return max(done, key=lambda one: one.value).settings if done else None
