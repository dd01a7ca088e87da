"""Worker processes on this machine, forked from one that has imported everything."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from nsh_core import UserError, plugins
from nsh_core.cli import BAD_INPUT
from study.execution.engine import Execution
from study.execution.forking import GRACE_SECONDS, fork
from study.execution.ownership import own_run
from study.execution.queue import TrialQueue
from study.execution.signs_of_life import Silence, no_sign_of
from study.execution.worker import CRASHED, Offer, Orders, work

_TRIES = 3
_MANY_BEATS = 65536


@dataclass
class _Worker:
    process: BaseProcess
    channel: Connection
    pulse: Connection
    beats: int = 0
    silence: str = ""

    def listen(self) -> int:
        """How many signs of life it gave by now."""
        if self.pulse.poll():
            self.beats += len(os.read(self.pulse.fileno(), _MANY_BEATS))
        return self.beats

    def close(self) -> None:
        self.channel.close()
        self.pulse.close()


class LocalEngine:
    """Worker processes on this machine.

    Args:
        queue: Of the study.
        storage_url: Where it is, with its password.
        execution: How to run.
    """

    def __init__(self, queue: TrialQueue, storage_url: str, execution: Execution) -> None:
        self.jobs = execution.jobs
        self.orders = Orders(
            storage_url,
            [study.study_name for study in queue.studies],
            queue.plan.dataset,
            execution.evaluation_threads,
            execution.batch_trials,
            plugins.loaded(),
            dict(os.environ),
            own_run(),
        )
        self.workers: list[_Worker] = []
        self.keys: dict[str, None] = {}
        self.share = 1
        self.crashes = 0
        self._last_failure = "its process ended"
        self._silence = Silence()

    def offer(self, keys: Sequence[str], waiting: int) -> None:
        """Tells all workers of keys, and starts workers that there are too few of.

        Args:
            keys: That were queued.
            waiting: Trials that wait altogether.
        """
        self.keys |= dict.fromkeys(keys)
        self.share = -(-waiting // self.jobs)
        for worker in self.workers:
            _send(worker.channel, Offer(list(keys), self.share))
        self._start(waiting)

    def _start(self, waiting: int) -> None:
        while len(self.workers) < min(self.jobs, waiting):
            ours, theirs = multiprocessing.Pipe()
            listening, pulse = multiprocessing.Pipe(duplex=False)
            process = fork(work, self.orders, theirs, pulse)
            theirs.close()
            pulse.close()
            self.workers.append(_Worker(process, ours, listening))
            _send(ours, Offer(list(self.keys), self.share))

    def poll(self, waiting: int) -> bool:
        """Ends workers that hang, and replaces those that died; whether any did.

        Args:
            waiting: Trials that wait altogether.

        Raises:
            UserError: Workers end for a reason that others would end for too.
        """
        self._end_silent()
        ended = [worker for worker in self.workers if worker.process.exitcode is not None]
        for worker in ended:
            self.workers.remove(worker)
            code = worker.process.exitcode or 0
            self.crashes += code == CRASHED
            if code == BAD_INPUT or self.crashes >= _TRIES * self.jobs:
                raise UserError(f"a worker process ended: {_last_message(worker.channel)}")
            self._last_failure = worker.silence or _cause(code)
            if not worker.silence:
                print(f"note: a worker ended, {self._last_failure}: its trials run again")
            worker.close()
        self._start(waiting)
        return bool(ended)

    def _end_silent(self) -> None:
        """Kills workers that give no sign of life, as stopped ones do."""
        silent = self._silence.after({worker.process.pid: worker.listen() for worker in self.workers})
        for worker in self.workers:
            if worker.process.pid in silent and not worker.silence:
                worker.silence = no_sign_of(f"worker process {worker.process.pid}")
                worker.process.kill()
                print(f"note: {worker.silence}: it was ended, its trials run again")

    def last_failure(self) -> str:
        """What the last worker that died died of."""
        return self._last_failure

    def stop(self) -> None:
        """Ends all workers."""
        for worker in self.workers:
            worker.process.terminate()
        until = time.monotonic() + GRACE_SECONDS
        for worker in self.workers:
            worker.process.join(max(0.0, until - time.monotonic()))
            worker.process.kill()
            worker.process.join()
            worker.close()


def _send(channel: Connection, offer: Offer) -> None:
    """An offer to a worker; one that is gone is found by poll."""
    with contextlib.suppress(OSError):
        channel.send(offer)


def _last_message(channel: Connection) -> str:
    with contextlib.suppress(EOFError, OSError):
        if channel.poll():
            return str(channel.recv())
    return "no message"


def _cause(code: int) -> str:
    """Why a worker process ended, by its exit code."""
    if code == -signal.SIGKILL:
        return "its process was killed (SIGKILL: by hand, or by the system when memory ran out)"
    if code < 0:
        return f"its process was ended by {signal.Signals(-code).name}"
    return f"its process ended with exit code {code}"
