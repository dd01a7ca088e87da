"""A study with a thousand workers: python -m benchmarks.many_workers --workers 1000 --seconds 60.

Each fake worker is a thread: it claims a trial, sleeps as if it trained, with five reports on the way, records, and
claims the next. All stand before one PostgreSQL server. Beside them runs of the study look at its trials as they do to
show progress. Prints how long workers waited for the storage.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import numpy as np
import optuna
import typer
from optuna.trial import TrialState

from benchmarks.storage import FACTS, STUDY, at_once, fill_with, served
from nsh_core import cli
from study.execution.claim import claim
from study.execution.trial import Outcome, record
from study.storage.opening import open_storage
from study.storage.postgres import Postgres
from study.storage.retry import patient

_REPORTS = 5
_LOOK_SECONDS = 3.0

app = typer.Typer(add_completion=False)


@app.command()
def main(
    workers: Annotated[int, typer.Option(help="that train at the same time", min=1)] = 1000,
    processes: Annotated[int, typer.Option(help="that hold them as threads", min=1)] = 4,
    leads: Annotated[int, typer.Option(help="runs that look at all trials every 3 s", min=1)] = 4,
    trials: Annotated[int, typer.Option(help="for each worker", min=1)] = 2,
    seconds: Annotated[float, typer.Option(help="of a trial, on average", min=0)] = 60,
) -> None:
    """Simulate and print what workers waited for."""
    count = workers * trials
    keys = {str(number) for number in range(count)}
    with served("postgresql", fill_with(0, count), connections=workers + leads + 50) as url:
        share = [workers // processes + (place < workers % processes) for place in range(processes)]
        tasks: list[Callable[[Callable[[], object]], list[float]]] = [partial(_look, url)] * leads
        tasks += [partial(_work, url, keys, own, str(place), seconds) for place, own in enumerate(share)]
        done, wall = at_once(tasks)
    looks, waits = np.concatenate([*done[:leads], []]), np.concatenate(done[leads:])
    print(f"{len(waits)} of {count} trials of {seconds:g} s by {workers} workers in {wall:.0f} s")
    print(f"storage took {waits.mean():.2f} s a trial, median {np.median(waits):.2f} s, worst {waits.max():.2f} s")
    print(f"{leads} runs looked {len(looks)} times, {looks.mean():.2f} s each")


def _work(
    url: str, keys: set[str], workers: int, place: str, seconds: float, ready: Callable[[], object]
) -> list[float]:
    """Of each trial that these workers ran, the seconds in which one waited for the storage."""
    waits: list[float] = []
    # Once: it takes a third of a second of a processor, which workers on machines of their own have.
    storage = patient(Postgres)(url, engine_kwargs={"pool_size": workers})
    ready()
    threads = []
    for number in range(workers):
        # All share connections, and none what another saw; a copy would open the database anew.
        own = object.__new__(type(storage))
        vars(own).update(vars(storage), _looks={})
        threads.append(threading.Thread(target=_run, args=(own, keys, f"{place}-{number}", seconds, waits)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return waits


def _run(storage: Any, keys: set[str], name: str, seconds: float, waits: list[float]) -> None:
    study = optuna.load_study(study_name=STUDY, storage=storage)
    rng = random.Random(name)
    # Workers of a cluster do not begin in one moment either.
    time.sleep(rng.uniform(0, seconds / 2))
    while True:
        start = time.perf_counter()
        claimed = claim([study], storage, keys, lambda _: 1, name)
        waited = time.perf_counter() - start
        if not claimed:
            return
        duration = rng.uniform(0.5, 1.5) * seconds
        for step in range(_REPORTS):
            time.sleep(duration / _REPORTS)
            start = time.perf_counter()
            claimed[0].report(0.5, step)
            waited += time.perf_counter() - start
        start = time.perf_counter()
        record(study, claimed[0], Outcome(TrialState.COMPLETE, FACTS))
        waits.append(waited + time.perf_counter() - start)


def _look(url: str, ready: Callable[[], object]) -> list[float]:
    """Seconds of each look of a run, until all trials are over."""
    study = optuna.load_study(study_name=STUDY, storage=open_storage(url, patiently=True))
    ready()
    times: list[float] = []
    while True:
        start = time.perf_counter()
        trials = study.get_trials(deepcopy=False)
        times.append(time.perf_counter() - start)
        if all(trial.state.is_finished() for trial in trials):
            return times
        time.sleep(_LOOK_SECONDS)


if __name__ == "__main__":
    cli.run(app)
