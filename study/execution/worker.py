"""A worker process: takes queued trials of one study as long as it is told of any.

Reads its orders as JSON lines from standard input (a storage URL may hold a password, which a command line would show
to everybody): first storage, study, data and threads, then the keys that it may run, whenever there are more. Ends at
once when the process that started it ends.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time

import optuna

from nsh_core import UserError, load_dataset
from study.execution.queue import claim
from study.execution.stack_size import StackSize
from study.execution.trial import run_trials
from study.storage.opening import open_storage, storage_errors


def main() -> None:
    parent = os.getppid()
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    orders = json.loads(sys.stdin.readline())
    try:
        with storage_errors(orders["storage"]):
            _work(orders)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def _work(orders: dict) -> None:
    dataset = load_dataset(orders["dataset"])
    storage = open_storage(orders["storage"], patiently=True)
    study = optuna.load_study(study_name=orders["study"], storage=storage)
    stack = StackSize(orders["batch_trials"], dataset)
    offers = _Offers(stack)
    while offers.wait():
        while trials := claim(study, storage, offers.keys, stack):
            run_trials(study, trials, dataset, orders["evaluation_threads"])


class _Offers:
    """The keys that this worker may run, read by a thread of its own, so that whoever sends them never has to wait."""

    def __init__(self, stack: StackSize) -> None:
        self.keys: set[str] = set()
        self._stack = stack
        self._news = threading.Event()
        self._over = False
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in sys.stdin:
            offer = json.loads(line)
            self.keys = self.keys | set(offer["keys"])
            self._stack.share = offer["share"]
            self._news.set()
        self._over = True
        self._news.set()

    def wait(self) -> bool:
        """Waits for news; whether there may be more to do."""
        self._news.wait()
        self._news.clear()
        return not self._over


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(1)


if __name__ == "__main__":
    main()
