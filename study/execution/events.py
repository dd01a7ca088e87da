"""What happens in a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Evaluated:
    """An evaluation of a trial on the way.

    Attributes:
        arm: Name of its arm.
        seed: Of its run.
        phase: "tuning" or "final".
        epoch: After which it was evaluated.
        val_map: mAP@k of the validation queries.
    """

    arm: str
    seed: int
    phase: str
    epoch: int
    val_map: float


@dataclass(frozen=True)
class EndedTrial:
    """A trial that is over.

    Attributes:
        arm: Name of its arm.
        seed: Of its run.
        phase: "tuning" or "final".
        state: "complete", "pruned" or "failed".
        measures: Values by name.
        failure: Why it failed; empty if it did not.
    """

    arm: str
    seed: int
    phase: str
    state: str
    measures: dict[str, float]
    failure: str


OnTrial = Callable[[EndedTrial], object]
OnEvaluation = Callable[[Evaluated], object]
