"""Runs what is left of a plan in worker processes and shows how far it is."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass

from optuna.trial import TrialState
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
from study.queue import TrialQueue, is_open
from study.storage import storage_errors

_POLL_SECONDS = 0.5
_LINE_SECONDS = 30
_TRIES = 3


@dataclass(frozen=True)
class Execution:
    """How to run: worker processes, CPU threads of each one's evaluations, and at most how many trials.

    batch_trials: runs that train as one stacked model, none: what is fastest.
    """

    jobs: int
    evaluation_threads: int
    batch_trials: int | None = None
    max_trials: int | None = None
    retry_failed: bool = False


def execute(queue: TrialQueue, storage_url: str, execution: Execution) -> int:
    """Runs the unfinished trials of a plan; every state lives in the storage, so that it can stop at any moment.

    Returns how many trials there were to run. Raises UserError if workers cannot run, KeyboardInterrupt after Ctrl-C,
    with its own running trials marked.
    """
    with storage_errors(storage_url):
        queue.recover()
        left = queue.unfinished(execution.retry_failed)[: execution.max_trials]
        queue.enqueue(left)
        waiting = [key for key, trial in queue.latest().items() if trial.state == TrialState.WAITING]
        keys = left if execution.max_trials is not None else list(dict.fromkeys([*left, *waiting]))
        if not keys:
            return 0
        workers = _Workers(queue, storage_url, execution, keys)
        try:
            workers.run()
        finally:
            workers.stop()
        return len(keys)


class _Workers:
    """The worker processes of one run."""

    def __init__(self, queue: TrialQueue, storage_url: str, execution: Execution, keys: list[str]) -> None:
        self.queue, self.execution, self.keys = queue, execution, keys
        self.orders = json.dumps(
            {
                "storage": storage_url,
                "study": queue.plan.key,
                "dataset": queue.plan.dataset,
                "keys": keys,
                "evaluation_threads": execution.evaluation_threads,
                "batch_trials": execution.batch_trials,
                "share": -(-len(keys) // execution.jobs),
            }
        )
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115, closed in stop
        self.processes = [self._start() for _ in range(min(execution.jobs, len(keys)))]
        self.tries: Counter[str] = Counter()
        self.crashes = 0

    def _start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "study.worker"]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stderr=self.errors, text=True, start_new_session=True
        )
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(self.orders + "\n")
            process.stdin.close()
        return process

    def run(self) -> None:
        """Waits for the end of all trials, replacing workers that die."""
        columns = (TextColumn("trials"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        last = (
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=True),
            TextColumn("{task.fields[note]}"),
        )
        console = Console(stderr=True)
        with Progress(*columns, *last, console=console, disable=not console.is_terminal) as progress:
            task = progress.add_task("trials", total=len(self.keys), note="")
            said = time.monotonic()
            while True:
                latest = self.queue.latest()
                mine = [latest[key] for key in self.keys]
                states = Counter(trial.state for trial in mine)
                over = states[TrialState.COMPLETE] + states[TrialState.FAIL]
                best = max((t.value for t in mine if t.value is not None), default=None)
                note = "" if best is None else f"best val_map {best:.4f}"
                if states[TrialState.FAIL]:
                    note += f", failed {states[TrialState.FAIL]}"
                progress.update(task, completed=over, note=note)
                if not console.is_terminal and time.monotonic() - said > _LINE_SECONDS:
                    console.print(f"{over} of {len(self.keys)} trials, {note}")
                    said = time.monotonic()
                if over == len(self.keys) or not self._tend(states[TrialState.WAITING]):
                    return
                time.sleep(_POLL_SECONDS)

    def _tend(self, waiting: int) -> bool:
        """Replaces workers that died, queues their trials again; False if nothing of this run goes on."""
        ended = [process for process in self.processes if process.poll() is not None]
        for process in ended:
            self.processes.remove(process)
            self.crashes += process.returncode == 1
            if process.returncode == BAD_INPUT or self.crashes >= _TRIES * self.execution.jobs:
                self.errors.seek(0)
                lines = self.errors.read().strip().splitlines() or ["no message"]
                raise UserError(f"a worker process ended: {lines[-1].removeprefix('error: ')}")
        if not ended:
            return True
        self.queue.recover()
        again = [
            key
            for key, trial in self.queue.latest().items()
            if key in self.keys and is_open(trial) and self.tries[key] < _TRIES - 1
        ]
        self.tries.update(again)
        self.queue.enqueue(again)
        queued = waiting + len(again)
        while len(self.processes) < min(self.execution.jobs, len(self.processes) + queued):
            self.processes.append(self._start())
            queued -= 1
        return bool(self.processes)

    def stop(self) -> None:
        """Ends the workers and marks what they were running."""
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()
        self.errors.close()
        self.queue.recover("the run was stopped")
