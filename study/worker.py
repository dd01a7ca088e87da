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
from study.objective import run_trials
from study.queue import claim
from study.stack import StackSize
from study.storage import open_storage, storage_errors


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
    keys: set[str] = set()
    stack = StackSize(orders["batch_trials"], dataset)
    for line in sys.stdin:
        more = json.loads(line)
        keys.update(more["keys"])
        stack.share = more["share"]
        while trials := claim(study, storage, keys, stack):
            run_trials(study, trials, dataset, orders["evaluation_threads"])


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(1)


if __name__ == "__main__":
    main()
