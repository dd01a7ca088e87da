"""What happens in a run, for whoever wants to be told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from optuna.trial import FrozenTrial

from study.execution.events import EndedTrial, Evaluated, OnEvaluation, OnTrial
from study.execution.queue import has_result
from study.execution.records import TrialFacts, state_of
from study.storage.optuna_internals import trial_id


class News:
    """Tells of each evaluation and each end of a trial once, in the process of the run.

    Args:
        on_trial: Are told of trials that are over.
        on_evaluation: Told of evaluations; none: nobody.
    """

    def __init__(self, on_trial: Sequence[OnTrial], on_evaluation: OnEvaluation | None) -> None:
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
            if has_result(trial) and trial_id(trial) not in self._over:
                self._over.add(trial_id(trial))
                facts = TrialFacts.of(trial)
                event = EndedTrial(
                    known["arm"], known["seed"], known["phase"], state_of(trial), facts.measures, facts.failure
                )
                for listener in self._on_trial:
                    listener(event)
