"""Runs what is left of a plan in worker processes and shows how far it is."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from optuna.trial import FrozenTrial, TrialState
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from nsh_core.cli import BAD_INPUT
from nsh_core.errors import UserError
from study.execution.growth import grow
from study.execution.queue import TrialQueue, has_result, is_open
from study.storage.opening import is_shared, storage_errors

_POLL_SECONDS = 0.5
# Hundreds may ask a server, and each reads the whole queue.
_SHARED_POLL_SECONDS = 3.0
_RECOVER_SECONDS = 5
_LINE_SECONDS = 30
_REFRESH_SECONDS = 30
_TRIES = 3


EngineName = Literal["local", "ray"]


@dataclass(frozen=True)
class Execution:
    """How to run: worker processes, CPU threads of each one's evaluations, and at most how many trials.

    batch_trials: runs that train as one stacked model, none: what is fastest. refresh: called now and then while trials
    end, for a dashboard. engine: worker processes here, or tasks on a Ray cluster with a share of a GPU each.
    """

    jobs: int
    evaluation_threads: int
    batch_trials: int | None = None
    max_trials: int | None = None
    retry_failed: bool = False
    refresh: Callable[[], object] | None = None
    engine: EngineName = "local"
    gpus_per_task: float = 0.0


class Engine(Protocol):
    """What trains queued trials: worker processes here, or tasks on a cluster."""

    def offer(self, keys: Sequence[str], waiting: int) -> None:
        """Tells of keys that were queued, and how many trials wait altogether."""

    def tend(self, waiting: int) -> bool:
        """Looks after what runs; whether something ended by itself. Raises UserError if nothing can run."""

    def why(self) -> str:
        """What the last process that died died of."""

    def stop(self) -> None:
        """Ends what runs."""


def execute(queue: TrialQueue, storage_url: str, execution: Execution) -> None:
    """Runs the unfinished trials of a plan; every state lives in the storage, so that it can stop at any moment.

    Trials that others run are waited for, and taken over when their process is over. Raises UserError if workers cannot
    run, KeyboardInterrupt after Ctrl-C, with its own running trials marked.
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
        return Workers(queue, storage_url, execution)
    if importlib.util.find_spec("ray") is None:
        raise UserError("--engine ray needs the package ray: pip install '.[cluster]'")
    from study.execution.engine_ray import RayEngine

    return RayEngine(queue, execution.gpus_per_task, execution.batch_trials)


class _Run:
    """The trials of one run: those left at its start, and those that follow from results."""

    engine: Engine

    def __init__(self, queue: TrialQueue, storage_url: str, execution: Execution) -> None:
        self.queue, self.execution = queue, execution
        self.shared = is_shared(storage_url)
        self.tries: Counter[str] = Counter()
        self.keys: list[str] = []
        queue.recover()
        grow(queue)
        self._add(execution.retry_failed)

    def _add(self, retry_failed: bool = False) -> list[str]:
        """Queues what is unfinished, as far as this run may, and takes up what others queued; returns the new keys."""
        known = set(self.keys)
        fresh = [key for key in self.queue.unfinished(retry_failed) if key not in known]
        most = self.execution.max_trials
        if most is not None:
            fresh = fresh[: most - len(self.keys)]
        self.queue.enqueue(fresh, self.shared, retry_failed)
        if most is None:
            under_way = (key for key, trial in self.queue.latest().items() if not trial.state.is_finished())
            fresh = [key for key in dict.fromkeys([*fresh, *under_way]) if key not in known]
        self.keys += fresh
        return fresh

    def go_on(self) -> None:
        """Waits for the end of all trials."""
        looked = refreshed = time.monotonic()
        finished = -1
        with _progress(len(self.keys)) as show:
            while True:
                latest = self.queue.latest()
                mine = [latest[key] for key in self.keys if key in latest]
                over = sum(has_result(trial) for trial in mine)
                now = time.monotonic()
                if over != finished:
                    self._follow()
                    if self.execution.refresh is not None and now - refreshed > _REFRESH_SECONDS:
                        self.execution.refresh()
                        refreshed = now
                    finished = over
                show(over, len(self.keys), mine)
                ended = self.engine.tend(_count(mine, TrialState.WAITING))
                look = ended or now - looked > _RECOVER_SECONDS
                if look:
                    self.queue.recover(self.engine.why())
                    looked = now
                    self._again()
                    # A trial that another's stood in front of may be free by now.
                    if free := _count(mine, TrialState.WAITING):
                        self.engine.offer([], free)
                elif self._is_over(latest) and not self._follow():
                    return
                time.sleep(_SHARED_POLL_SECONDS if self.shared and self.execution.engine == "local" else _POLL_SECONDS)

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
        again = [key for key in self.keys if key in latest and is_open(latest[key]) and self.tries[key] < _TRIES - 1]
        self.tries.update(again)
        self.queue.enqueue(again, self.shared)
        if again:
            self.engine.offer(again, _count(self.queue.latest().values(), TrialState.WAITING))

    def _is_over(self, latest: Mapping[str, FrozenTrial]) -> bool:
        """Whether every trial of this run has a result, or was tried often enough."""
        for key in self.keys:
            trial = latest.get(key)
            if trial is None or not (has_result(trial) or (is_open(trial) and self.tries[key] >= _TRIES - 1)):
                return False
        return True


def _count(trials: Iterable[FrozenTrial], state: TrialState) -> int:
    return sum(trial.state == state for trial in trials)


@contextlib.contextmanager
def _progress(total: int) -> Iterator[Callable[[int, int, Sequence[FrozenTrial]], None]]:
    """A bar on a terminal, a line now and then elsewhere."""
    columns = (TextColumn("trials"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    last = (TextColumn("left"), TimeRemainingColumn(elapsed_when_finished=True), TextColumn("{task.fields[note]}"))
    console = Console(stderr=True)
    said = time.monotonic()
    with Progress(*columns, *last, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("trials", total=total, note="")

        def show(over: int, total: int, trials: Sequence[FrozenTrial]) -> None:
            nonlocal said
            best = max((t.value for t in trials if t.value is not None), default=None)
            note = "" if best is None else f"best val_map {best:.4f}"
            for name, state in (("pruned", TrialState.PRUNED), ("failed", TrialState.FAIL)):
                if count := _count(trials, state):
                    note += f", {name} {count}"
            progress.update(task, completed=over, total=total, note=note)
            if not console.is_terminal and time.monotonic() - said > _LINE_SECONDS:
                console.print(f"{over} of {total} trials, {note}")
                said = time.monotonic()

        yield show


class Workers:
    """Worker processes on this machine."""

    def __init__(self, queue: TrialQueue, storage_url: str, execution: Execution) -> None:
        self.jobs = execution.jobs
        self.orders = {
            "storage": storage_url,
            "study": queue.plan.key,
            "dataset": queue.plan.dataset,
            "evaluation_threads": execution.evaluation_threads,
            "batch_trials": execution.batch_trials,
        }
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115, closed in stop
        self.processes: list[subprocess.Popen[str]] = []
        self.keys: dict[str, None] = {}
        self.share = 1
        self.crashes = 0
        self.last_end = "its process ended"

    def offer(self, keys: Sequence[str], waiting: int) -> None:
        """Tells all workers of keys, and starts workers that there are too few of."""
        self.keys |= dict.fromkeys(keys)
        self.share = -(-waiting // self.jobs)
        for process in self.processes:
            _send(process, {"keys": list(keys), "share": self.share})
        self._start(waiting)

    def _start(self, waiting: int) -> None:
        while len(self.processes) < min(self.jobs, waiting):
            process = subprocess.Popen(
                [sys.executable, "-m", "study.execution.worker"],
                stdin=subprocess.PIPE,
                stderr=self.errors,
                text=True,
                start_new_session=True,
            )
            self.processes.append(process)
            _send(process, self.orders)
            _send(process, {"keys": list(self.keys), "share": self.share})

    def tend(self, waiting: int) -> bool:
        """Replaces workers that died."""
        ended = [process for process in self.processes if process.poll() is not None]
        for process in ended:
            self.processes.remove(process)
            self.crashes += process.returncode == 1
            if process.returncode == BAD_INPUT or self.crashes >= _TRIES * self.jobs:
                self.errors.seek(0)
                lines = self.errors.read().strip().splitlines() or ["no message"]
                raise UserError(f"a worker process ended: {lines[-1].removeprefix('error: ')}")
            self.last_end = _cause(process.returncode)
        self._start(waiting)
        return bool(ended)

    def why(self) -> str:
        return self.last_end

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()
        self.errors.close()


def _cause(code: int) -> str:
    """Why a worker process ended, by its exit code."""
    if code == -signal.SIGKILL:
        return "its process was killed (SIGKILL: by hand, or by the system when memory ran out)"
    if code < 0:
        return f"its process was ended by {signal.Signals(-code).name}"
    return f"its process ended with exit code {code}"


def _send(process: subprocess.Popen[str], message: dict) -> None:
    """A line to a worker; one that is gone is found by tend."""
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(json.dumps(message) + "\n")
        process.stdin.flush()
