"""A worker process: takes queued trials of one plan as long as it is told of any."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass
from multiprocessing.connection import Connection

import optuna

from nsh_core import UserError, load_dataset, plugins
from nsh_core.cli import BAD_INPUT
from nsh_core.errors import in_a_line
from study.execution.claim import claim
from study.execution.forking import GRACE_SECONDS
from study.execution.stack_size import StackSize
from study.execution.trial import run_trials
from study.storage.opening import open_storage, storage_errors

CRASHED = 1
_PULSE_SECONDS = 0.2


@dataclass(frozen=True)
class Orders:
    """What a worker is told at its start.

    Attributes:
        storage: Where the studies are, with its password.
        studies: Their names there.
        dataset: What it trains on.
        evaluation_threads: CPU threads of evaluations.
        batch_trials: Runs that train as one stack; none: what is fastest.
        plugins: What is registered beside the project's own.
        environment: Variables of the process that starts workers.
        run: That they work for, as ownership.own_run names it.
    """

    storage: str
    studies: Collection[str]
    dataset: str
    evaluation_threads: int
    batch_trials: int | None
    plugins: Collection[plugins.Plugin]
    environment: dict[str, str]
    run: str


@dataclass(frozen=True)
class Offer:
    """What a worker may run from now on.

    Attributes:
        keys: Of queued trials.
        share: A fair part of what waits, in trials.
    """

    keys: Collection[str]
    share: int


def work(orders: Orders, channel: Connection, pulse: Connection) -> None:
    """Runs trials until the channel closes; ends when it is told to, or the process that started it ends.

    A last message in the channel says why it ended otherwise; its exit code is then 2 for bad input, else 1.

    Args:
        orders: For this worker.
        channel: Offers come in, a last message goes out.
        pulse: Signs of life go out, as long as this process is not stopped.
    """
    threading.Thread(target=_live, args=(pulse,), daemon=True).start()
    os.setsid()
    # What it has to say goes through the channel: the terminal is the run's.
    for stream in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    os.environ.clear()
    os.environ.update(orders.environment)
    signal.signal(signal.SIGTERM, _end)
    try:
        with storage_errors(orders.storage):
            _work(orders, channel)
    except _Ended:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)
    except UserError as error:
        channel.send(str(error))
        sys.exit(BAD_INPUT)
    except Exception as error:
        channel.send(in_a_line(error))
        sys.exit(CRASHED)


def _work(orders: Orders, channel: Connection) -> None:
    plugins.receive(orders.plugins)
    dataset = load_dataset(orders.dataset)
    storage = open_storage(orders.storage, patiently=True)
    studies = [optuna.load_study(study_name=name, storage=storage) for name in orders.studies]
    stack = StackSize(orders.batch_trials, dataset)
    offers = _Offers(channel, stack)
    while offers.wait():
        while trials := claim(studies, storage, offers.keys, stack, orders.run):
            run_trials(trials, dataset, orders.evaluation_threads)


class _Offers:
    """The keys that this worker may run, read by a thread of its own, so that whoever sends them never has to wait."""

    def __init__(self, channel: Connection, stack: StackSize) -> None:
        self.keys: set[str] = set()
        self._channel, self._stack = channel, stack
        self._news = threading.Event()
        self._over = False
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            while True:
                offer: Offer = self._channel.recv()
                self.keys = self.keys | set(offer.keys)
                self._stack.share = offer.share
                self._news.set()
        except (EOFError, OSError):
            self._over = True
            self._news.set()

    def wait(self) -> bool:
        """Waits for news; whether there may be more to do."""
        self._news.wait()
        self._news.clear()
        return not self._over


class _Ended(BaseException):
    """Somebody ended this process, which first gives back the journal's lock: others would wait long for it."""


def _end(*_: object) -> None:
    raise _Ended


def _live(pulse: Connection) -> None:
    """Gives signs of life until the run ends, or the process that this one was forked from; then ends, too."""
    run, parent = multiprocessing.parent_process(), os.getppid()
    os.set_blocking(pulse.fileno(), False)
    while run is not None and run.is_alive() and os.getppid() == parent:
        # A run that is stopped reads none, which must not hold up anything here.
        with contextlib.suppress(OSError):
            os.write(pulse.fileno(), b".")
        run.join(_PULSE_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(CRASHED)
