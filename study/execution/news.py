"""What happens in a run, for whoever wants to be told."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from optuna.trial import FrozenTrial

from study.execution.queue import has_result
from study.execution.records import TrialFacts
from study.storage.optuna_internals import trial_id


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


class News:
    """Tells of each evaluation and each end of a trial once, in the process of the run.

    Args:
        on_trial: Told of trials that are over; none: nobody.
        on_evaluation: Told of evaluations; none: nobody.
    """

    def __init__(self, on_trial: OnTrial | None, on_evaluation: OnEvaluation | None) -> None:
        self._on_trial, self._on_evaluation = on_trial, on_evaluation
        self._evaluations: dict[int, int] = {}
        self._over: set[int] = set()

    def tell(self, trials: Iterable[FrozenTrial]) -> None:
        """Tells of what is new.

        Args:
            trials: Of the run, as storage has them by now.
        """
        for trial in trials:
            known = trial.user_attrs
            if self._on_evaluation is not None:
                epochs = sorted(trial.intermediate_values)
                for epoch in epochs[self._evaluations.get(trial_id(trial), 0) :]:
                    value = trial.intermediate_values[epoch]
                    self._on_evaluation(Evaluated(known["arm"], known["seed"], known["phase"], epoch, value))
                self._evaluations[trial_id(trial)] = len(epochs)
            if self._on_trial is not None and has_result(trial) and trial_id(trial) not in self._over:
                self._over.add(trial_id(trial))
                facts, state = TrialFacts.of(trial), trial.state.name.lower().replace("fail", "failed")
                self._on_trial(
                    EndedTrial(known["arm"], known["seed"], known["phase"], state, facts.measures, facts.failure)
                )
