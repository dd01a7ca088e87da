"""What the queue asks of a storage in one step: a look at what waits, a claim, the end of a trial."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from optuna.trial import FrozenTrial, TrialState

# Before the names of what the queue keeps among a trial's system attributes.
OWN = "nsh:"
# Among them, before the name of a claim, or of whoever asks for a trial.
CLAIMANT = "claimant "


class Transactions(ABC):
    """A storage in which each of these happens as a whole or not at all, whoever does what at the same time."""

    @abstractmethod
    def add(self, study_id: int, trials: Sequence[FrozenTrial]) -> None:
        """Queues trials.

        Args:
            study_id: Of a study.
            trials: That wait. One whose key another queued meanwhile may be left out.

        Raises:
            ValueError: The study has other levels of a factor.
        """

    @abstractmethod
    def peek(self, study_id: int, after: int, count: int, whole: bool = False) -> list[FrozenTrial]:
        """The next trials that wait, and all others of their keys.

        Args:
            study_id: Of a study.
            after: Number by which the storage knows the trial behind which to begin, -1 for the first.
            count: How many that wait, at least, where there are as many.
            whole: Whether all attributes of those that wait are asked for.

        Returns:
            Trials in the order in which they were queued, which may hold no more than their key, what they follow, why
            they failed, and what was asked for. Some that wait may be another's by now.
        """

    @abstractmethod
    def take(self, trial_ids: Sequence[int], most: int, claim: str, attributes: Mapping[str, Any]) -> list[FrozenTrial]:
        """Makes trials that still wait running ones; others that do the same at this moment get others.

        Args:
            trial_ids: Of trials of one study.
            most: How many at most.
            claim: A name never given before, by which a claim is known whose answer was lost.
            attributes: Written to them as the queue's own: their owner and, behind the first, the lead of their stack.

        Returns:
            Them, at least with the attributes that they were queued with, in the given order.
        """

    @abstractmethod
    def told(self, trial_id: int) -> dict[str, Any]:
        """The user attributes of a trial.

        Args:
            trial_id: Of a trial.
        """

    @abstractmethod
    def end(
        self,
        trial_id: int,
        state: TrialState,
        value: float | None,
        user_attrs: Mapping[str, Any],
        system_attrs: Mapping[str, Any],
    ) -> None:
        """Ends a trial with what it came to.

        Args:
            trial_id: Of a queued or running trial.
            state: How it ends.
            value: By which it is judged, if it has one.
            user_attrs: To be written, by name.
            system_attrs: To be written, by name.

        Raises:
            UpdateFinishedTrialError: It ended meanwhile.
            KeyError: There is no such trial any more.
        """


def slim(number: int, trial_id: int, state: TrialState, user: dict[str, Any], system: dict[str, Any]) -> FrozenTrial:
    """A trial of which no more than this is known.

    Args:
        number: Within its study.
        trial_id: By which the storage knows it.
        state: Its state.
        user: Its user attributes.
        system: Its system attributes.
    """
    return FrozenTrial(
        number=number,
        trial_id=trial_id,
        state=state,
        value=None,
        datetime_start=None,
        datetime_complete=None,
        params={},
        distributions={},
        user_attrs=user,
        system_attrs=system,
        intermediate_values={},
    )
