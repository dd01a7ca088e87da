"""People who run a study at once, each at a place of its own, and what they write down of what they do."""

import contextlib
import ctypes
import datetime
import functools
import json
import mmap
import os
import random
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import optuna
import psutil
from optuna.storages import JournalStorage

import study.execution.queue
import study.execution.signs_of_life
import study.execution.trial
import study.execution.worker
from study.execution.attributes import own
from study.execution.ownership import this_process
from study.execution.queue import TrialQueue
from study.execution.trial import Outcome
from study.storage.optuna_internals import frozen
from study.storage.postgres import Postgres
from tests.study.execution.judge import Event

KILLED = 9
_NEW_MOUNTS, _NEW_NAMES, _NEW_PIDS = 0x00020000, 0x04000000, 0x20000000
_PRIVATE = 0x00040000 | 0x00004000
_LIBC = ctypes.CDLL(None, use_errno=True)


class World:
    """What all processes of a history see at once: a step of the wall clock, and how often an operation is struck."""

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, 16)
        self._real = time.time
        self.step, self.often = 0.0, 0.0

    def set(self, **values: float) -> None:
        """step: seconds. often: the probability that a process stops or is killed before a write to its storage."""
        vars(self).update(values)
        self._shared[:] = struct.pack("dd", self.step, self.often)

    def _seen(self) -> tuple[float, float]:
        step, often = struct.unpack("dd", self._shared[:])
        return step, often

    def install(self, longest: float) -> None:
        """In this process; longest: seconds of a stop."""
        self._install_clock()
        rng = random.Random()

        def struck(operation: Callable[..., Any]) -> Callable[..., Any]:
            @functools.wraps(operation)
            def whole(*own: Any, **named: Any) -> Any:
                if rng.random() < self._seen()[1]:
                    if rng.random() < 0.2:
                        _end()
                    _stop(rng.uniform(0, longest))
                return operation(*own, **named)

            return whole

        writes = ("set_trial_user_attr", "set_trial_system_attr", "set_trial_state_values")
        for storage, names in ((JournalStorage, writes), (Postgres, (*writes, "take", "end"))):
            for name in names:
                setattr(storage, name, struck(getattr(storage, name)))

    def _install_clock(self) -> None:
        """For time.time and for what Optuna imported of datetime."""

        def now() -> float:
            return self._real() + self._seen()[0]

        class Stepped(datetime.datetime):
            @classmethod
            def now(cls, tz: datetime.tzinfo | None = None) -> "Stepped":
                return cls.fromtimestamp(now(), tz)

        time.time = now
        for name, module in list(sys.modules.items()):
            if name.startswith("optuna.") and getattr(module, "datetime", None) is datetime.datetime:
                module.datetime = Stepped  # type: ignore[attr-defined]


def _end() -> None:
    """As kill -9, which the first process of a namespace does not take from itself."""
    if os.getpid() != 1:
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(KILLED)


def _stop(seconds: float) -> None:
    """Stops this process, all its threads, for a while."""
    me = os.getpid()
    if os.fork() == 0:
        time.sleep(seconds)
        with contextlib.suppress(ProcessLookupError):
            os.kill(me, signal.SIGCONT)
        os._exit(0)
    os.kill(me, signal.SIGSTOP)


@dataclass
class Log:
    """Events of all processes of a history, in a file to which each appends."""

    path: Path
    looked: float = 0.0
    run: str | None = None
    _handle: int = field(init=False)

    def __post_init__(self) -> None:
        self._handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    @contextlib.contextmanager
    def event(self, kind: str, trial: int = -1, text: str = "") -> Iterator[None]:
        began = time.monotonic()
        yield
        self.write(Event(kind, began, time.monotonic(), this_process(self.run), trial, self.looked, text))

    def write(self, event: Event) -> None:
        os.write(self._handle, json.dumps(asdict(event)).encode() + b"\n")

    def read(self) -> list[Event]:
        return [Event(**json.loads(line)) for line in self.path.read_text().splitlines()]

    def install(self, train: Callable[..., list[Outcome]]) -> None:
        """Lets this process and its forks write down what they do, and train so."""
        worker, trial, queue = study.execution.worker, study.execution.trial, study.execution.queue
        signs, recover = study.execution.signs_of_life, TrialQueue.recover
        claim, record, end, beat = worker.claim, trial.record, queue.end, signs.beat

        def claimed(studies: Any, storage: Any, keys: Any, most: Any, run: str | None = None) -> list[optuna.Trial]:
            self.run, began = run, time.monotonic()
            trials = claim(studies, storage, keys, most, run)
            for one in trials:
                self.write(Event("claimed", began, time.monotonic(), this_process(run), one.number))
            return trials

        def recorded(study_: Any, one: optuna.Trial, outcome: Outcome) -> None:
            with self.event("recorded", one.number):
                record(study_, one, outcome)

        def ended(storage: Any, one: Any, reason: str) -> None:
            with self.event("ended", one.number, reason):
                end(storage, one, reason)

        def beaten(study_: Any, one: optuna.Trial, count: int) -> None:
            began = time.monotonic()
            beat(study_, one, count)
            with contextlib.suppress(Exception):
                if own(frozen(study_, one), "beat") == count:
                    self.write(Event("alive", began, time.monotonic(), this_process(self.run), one.number))

        def recovered(self_: TrialQueue, *cause: str) -> None:
            self.looked = time.monotonic()
            recover(self_, *cause)

        worker.claim, trial.record, queue.end, signs.beat = claimed, recorded, ended, beaten
        TrialQueue.recover = recovered  # type: ignore[method-assign]
        trial.train = train


@dataclass(frozen=True)
class Place:
    """Where a run is: its host name, and its namespace of process ids: the driver's, its own, or its own unseen."""

    host: str
    pids: str

    def enter(self) -> None:
        """In the process whose next fork is to be there; where the system allows it."""
        if _LIBC.unshare(_NEW_NAMES) == 0:
            socket.sethostname(self.host)
        if self.pids != "shared":
            _LIBC.unshare(_NEW_PIDS | _NEW_MOUNTS)

    def look(self) -> None:
        """In that fork."""
        if self.pids == "own" and os.getpid() == 1:
            _LIBC.mount(None, b"/", None, _PRIVATE, None)
            _LIBC.mount(b"proc", b"/proc", b"proc", 0, None)


class Person:
    """Starts a run of a study wherever it was killed."""

    def __init__(self, place: Place, live: Callable[[], int]) -> None:
        self.place, self.live = place, live
        self.start()

    def start(self) -> None:
        reading, writing = os.pipe()
        self.process = os.fork()
        if self.process == 0:
            code = 1
            try:
                os.close(reading)
                self.place.enter()
                run = os.fork()
                if run == 0:
                    os.close(writing)
                    self.place.look()
                    code = self.live()
                else:
                    os.write(writing, str(run).encode())
                    os.close(writing)
                    code = abs(os.waitstatus_to_exitcode(os.waitpid(run, 0)[1]))
            finally:
                os._exit(code)
        os.close(writing)
        with open(reading) as pipe:
            self.run = int(pipe.read())
        self.code: int | None = None

    def poll(self) -> int | None:
        """Its exit code, 9 where it was killed; none while it runs."""
        if self.code is None:
            ended, status = os.waitpid(self.process, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status) if ended else None
        return self.code

    def processes(self) -> list[psutil.Process]:
        """The run, if it is there, and then its workers."""
        with contextlib.suppress(psutil.Error):
            run = psutil.Process(self.run)
            return [run, *run.children(recursive=True)] if self.poll() is None else []
        return []
