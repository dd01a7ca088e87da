"""Failures as they happen, a line for those of one kind."""

from __future__ import annotations

from collections.abc import Callable

from study.execution.events import EndedTrial

_MOST = 8


class Failures:
    """Tells of the first failure of each arm for each reason; tables have all of them.

    Args:
        say: What a line is said with.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._told: set[tuple[str, str, str]] = set()

    def __call__(self, trial: EndedTrial) -> None:
        """Looks at a trial that is over.

        Args:
            trial: Whatever it came to.
        """
        kind = trial.arm, trial.phase, trial.failure.partition(":")[0]
        if trial.state != "failed" or kind in self._told or len(self._told) > _MOST:
            return
        self._told.add(kind)
        if len(self._told) > _MOST:
            self._say("failed: more arms; the table at the end has all failures")
        else:
            which = "a try of tuning" if trial.phase == "tuning" else f"seed {trial.seed}"
            self._say(f"failed: {trial.arm}, {which}: {trial.failure}")
