"""How far a study is: what is over, what is best, and how long the rest will take."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from optuna.trial import FrozenTrial, TrialState

from nsh_core.measures import SELECTION
from study.execution.attributes import own
from study.execution.display import Standing
from study.execution.queue import TrialQueue, has_result
from study.execution.records import TrialFacts
from study.execution.time_left import Kind, Stack, TimeLeft
from study.plan.trials import PlannedTrial
from study.storage.optuna_internals import trial_id


class Progress:
    """Looks at all trials of a study, again and again.

    Args:
        queue: Of the study.
        workers: That train at the same time, at least.
    """

    def __init__(self, queue: TrialQueue, workers: int) -> None:
        self._queue = queue
        self._time = TimeLeft(workers)
        self._measures: dict[int, dict[str, float]] = {}

    def standing(self, latest: Mapping[str, FrozenTrial]) -> Standing:
        """How far the study is.

        Args:
            latest: Its trials, as TrialQueue.latest gives them.
        """
        planned = self._queue.planned
        over = {key: trial for key, trial in latest.items() if has_result(trial)}
        running = {key: trial for key, trial in latest.items() if trial.state == TrialState.RUNNING}
        waiting = [_kind(one) for key, one in planned.items() if key not in over and key not in running]
        total = self._total(over)
        details = []
        values = {key: self._measured(planned[key], trial).get(SELECTION) for key, trial in over.items()}
        known = [(value, key) for key, value in values.items() if value is not None]
        if best := max((one for one in known if planned[one[1]].config.information != "labels"), default=None):
            details.append(f"best {SELECTION} {best[0]:.4f} ({planned[best[1]].arm.name})")
        for word, state in (("pruned", TrialState.PRUNED), ("failed", TrialState.FAIL)):
            if count := sum(trial.state == state for trial in over.values()):
                details.append(f"{count} {word}")
        left = self._time.estimate(self._stacks(running), waiting, total - len(planned))
        return Standing(len(over), total, len(running), tuple(details), left)

    def _total(self, over: Collection[str]) -> int:
        """Trials that the study comes to: while it is tuned as many as there may be, then those that there are."""
        plan, planned = self._queue.plan, self._queue.planned
        tries, finals = plan.expected
        # Two tries with the same settings are one trial.
        twice = len(plan.trials) - len(planned)
        tuning = [key for key, one in planned.items() if one.tuning]
        is_tuned = len(tuning) + twice == tries and all(key in over for key in tuning)
        return len(planned) if is_tuned else max(len(planned), tries + finals - twice)

    def _measured(self, planned: PlannedTrial, trial: FrozenTrial) -> dict[str, float]:
        """The measures of a trial that is over, read once; what it took is learnt, then."""
        known = self._measures.get(trial_id(trial))
        if known is None:
            known = self._measures[trial_id(trial)] = TrialFacts.of(trial).measures
            if (seconds := known.get("total_seconds")) is not None:
                self._time.took(_kind(planned), seconds)
        return known

    def _stacks(self, running: Mapping[str, FrozenTrial]) -> list[Stack]:
        together: dict[int, list[str]] = {}
        for key, trial in running.items():
            together.setdefault(own(trial, "lead", trial_id(trial)), []).append(key)
        return [self._stack(lead, {key: running[key] for key in keys}) for lead, keys in together.items()]

    def _stack(self, lead: int, trials: Mapping[str, FrozenTrial]) -> Stack:
        planned = [self._queue.planned[key] for key in trials]
        epochs = sum(one.config.train.epochs for one in planned)
        reported = sum(max(trial.intermediate_values, default=0) for trial in trials.values())
        begun = min(trial.datetime_start or datetime.now() for trial in trials.values())
        elapsed = max(0.0, (datetime.now() - begun).total_seconds())
        return Stack(lead, [_kind(one) for one in planned], elapsed, reported / epochs)


def _kind(trial: PlannedTrial) -> Kind:
    return Kind(trial.arm.name, trial.phase)
