"""Runs what is left of a plan on an engine, and what follows from its results."""

from __future__ import annotations

import importlib.util
import time
from collections import Counter
from collections.abc import Iterable, Mapping

from optuna.trial import FrozenTrial, TrialState

from nsh_core.errors import UserError
from nsh_core.training.fitting import device_of
from study.execution.engine import Engine, Execution
from study.execution.engine_local import LocalEngine
from study.execution.events import OnTrial
from study.execution.failures import Failures
from study.execution.growth import grow
from study.execution.news import News
from study.execution.progress import Progress
from study.execution.queue import Again, TrialQueue, counts, has_result, is_open
from study.execution.records import is_whole
from study.execution.versions import is_of_another_version, refuse
from study.storage.opening import is_shared, storage_errors

_POLL_SECONDS = 0.5
# Hundreds may ask a server.
_SHARED_POLL_SECONDS = 3.0
# A look at very many trials, or at a busy server, is followed by so many times as long without one.
_REST = 9
_RECOVER_SECONDS = 5
_REFRESH_SECONDS = 30
# Trials train meanwhile: so many times as long as it takes passes between two refreshes.
_REFRESH_REST = 20
_ATTEMPTS = 3


def execute(queue: TrialQueue, storage_url: str, execution: Execution) -> None:
    """Runs the unfinished trials of a plan; every state lives in the storage, so that it can stop at any moment.

    Trials that others run are waited for, and taken over when their process is over.

    Args:
        queue: Of the study.
        storage_url: Where it is, with its password.
        execution: How to run.

    Raises:
        UserError: Workers cannot run, or the storage cannot be used.
        KeyboardInterrupt: After Ctrl-C, with its own running trials marked.
    """
    with storage_errors(storage_url):
        run = _Run(queue, storage_url, execution)
        if not run.keys:
            return
        run.engine = _engine(queue, storage_url, execution)
        try:
            run.engine.offer(run.keys, len(run.keys))
            run.go_on()
        finally:
            run.engine.stop()
            queue.recover("the run was stopped")


def _engine(queue: TrialQueue, storage_url: str, execution: Execution) -> Engine:
    if execution.engine == "local":
        return LocalEngine(queue, storage_url, execution)
    if importlib.util.find_spec("ray") is None:
        raise UserError("engine ray needs the package ray: pip install '.[cluster]'")
    from study.execution.engine_ray import RayEngine

    return RayEngine(queue, execution.gpus_per_task, execution.batch_trials)


class _Run:
    """The trials of one run: those left at its start, and those that follow from results."""

    engine: Engine

    def __init__(self, queue: TrialQueue, storage_url: str, execution: Execution) -> None:
        self.queue, self.execution = queue, execution
        self.shared = is_shared(storage_url)
        self.attempts: Counter[str] = Counter()
        self.keys: list[str] = []
        queue.recover()
        grow(queue)
        others = [trial for trial in queue.latest().values() if counts(trial) and is_of_another_version(trial)]
        if others and execution.others == "refuse" and queue.unfinished(self._again_at_first):
            refuse(queue.plan.key, others)
        if others and execution.others != "refuse":
            fate = "run again" if execution.others == "rerun" else "stay beside those of this run"
            print(f"note: {len(others)} trials of another version {fate}")
        if execution.engine == "local":
            self._check_devices()
        self._add(self._again_at_first)

    def _check_devices(self) -> None:
        """Looks, before any is queued, whether this machine has what trials are to train on: else each would fail."""
        latest = self.queue.latest()
        for key, planned in self.queue.planned.items():
            if key not in latest or not has_result(latest[key]) or self._again_at_first(latest[key]):
                device_of(planned.config)

    def _again_at_first(self, trial: FrozenTrial) -> bool:
        """Whether a result is to be made anew, as the run was asked."""
        execution = self.execution
        return (
            not is_whole(trial)
            or (execution.retry_failed and trial.state == TrialState.FAIL)
            or (execution.others == "rerun" and is_of_another_version(trial))
        )

    def _add(self, again: Again | None = None) -> list[str]:
        """Queues what is unfinished, as far as this run may, and takes up what others queued; returns the new keys."""
        known = set(self.keys)
        fresh = [key for key in self.queue.unfinished(again) if key not in known]
        most = self.execution.max_trials
        if most is not None:
            fresh = fresh[: most - len(self.keys)]
        self.queue.enqueue(fresh, self.shared, again)
        if most is None:
            under_way = (key for key, trial in self.queue.latest().items() if not trial.state.is_finished())
            fresh = [key for key in dict.fromkeys([*fresh, *under_way]) if key not in known]
        self.keys += fresh
        return fresh

    def go_on(self) -> None:
        """Waits for the end of all trials."""
        looked = refreshed = time.monotonic()
        rest: float = _REFRESH_SECONDS
        finished = -1
        display, on_trial = self.execution.display, self.execution.on_trial
        listeners: list[OnTrial] = [Failures(display.say), *([] if on_trial is None else [on_trial])]
        news = News(listeners, self.execution.on_evaluation)
        progress = Progress(self.queue, self.execution.jobs if self.execution.engine == "local" else 1)
        while True:
            began = time.monotonic()
            latest = self.queue.latest()
            took = time.monotonic() - began
            mine = [latest[key] for key in self.keys if key in latest]
            over = sum(has_result(trial) for trial in mine)
            now = time.monotonic()
            if over != finished:
                self._follow()
                if self.execution.refresh is not None and now - refreshed > rest:
                    self.execution.refresh()
                    refreshed = time.monotonic()
                    rest = max(_REFRESH_SECONDS, _REFRESH_REST * (refreshed - now))
                finished = over
            display.show(progress.standing(latest))
            news.tell(mine)
            ended = self.engine.poll(_count(mine, TrialState.WAITING))
            look = ended or now - looked > _RECOVER_SECONDS
            if look:
                self.queue.recover(self.engine.last_failure())
                looked = now
                self._again()
                # A trial that another's stood in front of may be free by now.
                if free := _count(mine, TrialState.WAITING):
                    self.engine.offer([], free)
            if self._is_over(latest) and not self._follow():
                return
            pause = _SHARED_POLL_SECONDS if self.shared and self.execution.engine == "local" else _POLL_SECONDS
            time.sleep(max(pause, _REST * took))

    def _follow(self) -> bool:
        """Queues what follows from results by now; whether there was anything."""
        grow(self.queue)
        added = self._add()
        if added:
            self.engine.offer(added, _count(self.queue.latest().values(), TrialState.WAITING))
        return bool(added)

    def _again(self) -> None:
        """Queues again what was interrupted, a few times."""
        latest = self.queue.latest()
        again = [
            key for key in self.keys if key in latest and is_open(latest[key]) and self.attempts[key] < _ATTEMPTS - 1
        ]
        self.attempts.update(again)
        self.queue.enqueue(again, self.shared)
        if again:
            self.engine.offer(again, _count(self.queue.latest().values(), TrialState.WAITING))

    def _is_over(self, latest: Mapping[str, FrozenTrial]) -> bool:
        """Whether every trial of this run has a result, or was queued often enough."""
        for key in self.keys:
            trial = latest.get(key)
            if trial is None or not (has_result(trial) or (is_open(trial) and self.attempts[key] >= _ATTEMPTS - 1)):
                return False
        return True


def _count(trials: Iterable[FrozenTrial], state: TrialState) -> int:
    return sum(trial.state == state for trial in trials)
