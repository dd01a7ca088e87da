"""What a very large study costs at its end: python -m benchmarks.many_trials --arms 1000 --seeds 100.

Writes a journal of so many complete trials with made-up results, each as large as one on the digits, and prints seconds
and peak memory of reading it, of the tables, of the report, and of the dashboard's first answers. Seconds are those for
which a processor was busy, which other people's jobs change less than those on the clock.
"""

from __future__ import annotations

import cProfile
import multiprocessing
import os
import pstats
import resource
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from optuna.trial import FrozenTrial, TrialState, create_trial

from benchmarks.bulk import fill
from nsh_core import cli, load_dataset
from nsh_core.measures import RESULT, SELECTION
from nsh_core.metrics.per_query import as_text
from study.analysis.generation import writing
from study.analysis.tables import build_tables, write_tables
from study.execution.attributes import as_system
from study.execution.queue import TrialQueue, trial_key
from study.execution.records import FACTS, Task, TrialFacts
from study.plan.loading import load_spec
from study.plan.planning import make_plan
from study.plan.trials import Plan
from study.session import Session
from study.storage.opening import open_storage

_QUERIES, _PICTURES, _RADII, _EVALUATIONS = 300, 8, 33, 10
_PORT = 13580
# Beyond that a user would take it for broken.
_PATIENCE_SECONDS = 600

app = typer.Typer(add_completion=False)


@app.command()
def main(
    arms: Annotated[int, typer.Option(help="arms of the study", min=2)] = 1000,
    seeds: Annotated[int, typer.Option(help="seeds of each", min=1)] = 100,
    profile: Annotated[bool, typer.Option(help="show where the time of the tables goes")] = False,
    report: Annotated[bool, typer.Option(help="write the report, too")] = True,
    dashboard: Annotated[bool, typer.Option(help="ask the dashboard, too")] = True,
) -> None:
    """Measure and print seconds and megabytes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        study = _spec(folder, arms, seeds)
        # In a process of its own each, so that the memory of one is none of the next's.
        for step in (lambda: _fill(study), lambda: _make_tables(study, profile)):
            process = multiprocessing.get_context("fork").Process(target=step)
            process.start()
            process.join()
            if process.exitcode:
                raise typer.Exit(1)
        if report:
            _run("report", ["study/report.py", "--study", study.stem, "--results", name, "--reports", name])
        if dashboard:
            _ask_the_dashboard(_journal(study))


def _fill(study: Path) -> None:
    plan, journal = make_plan(load_spec(str(study))), _journal(study)
    fill(str(journal), plan.key, _trials(plan, load_dataset(plan.dataset).fingerprint()))
    print(f"{journal.stat().st_size / 1e6:.0f} MB on disk", flush=True)


def _make_tables(study: Path, profile: bool) -> None:
    with _measured("plan"):
        plan = make_plan(load_spec(str(study)))
    journal, folder, dataset = str(_journal(study)), study.with_suffix(""), load_dataset(plan.dataset)
    with _measured("read"):
        queue = TrialQueue(open_storage(journal), plan, dataset.fingerprint())
        queue.trials()
    with _measured("one look at the queue"):
        queue.latest()
    profiler = cProfile.Profile()
    with _measured("tables"):
        if profile:
            profiler.enable()
        tables = build_tables(queue)
        profiler.disable()
    folder.mkdir()
    with _measured("tables written"), writing(folder) as files:
        write_tables(tables, files)
    if profile:
        pstats.Stats(profiler).sort_stats("cumtime").print_stats(40)
    del tables
    # With what a report needs beside them.
    with _measured("tables again, and all that a run writes at its end"):
        Session(queue, dataset, folder, journal).write_results()


def _journal(study: Path) -> Path:
    return study.with_suffix(".journal")


@contextmanager
def _measured(what: str) -> Iterator[None]:
    start, busy = time.perf_counter(), time.process_time()
    yield
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    busy, clock = time.process_time() - busy, time.perf_counter() - start
    print(f"{what}: {busy:.1f} s, {clock:.1f} s on the clock, peak memory by now {peak:.0f} MB", flush=True)


def _run(what: str, arguments: list[str]) -> None:
    """Runs a script of the project to its end."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    clock, busy = time.perf_counter() - start, used.ru_utime + used.ru_stime
    print(
        f"{what}: {busy:.1f} s, {clock:.1f} s on the clock, peak memory {used.ru_maxrss / 1024:.0f} MB, "
        f"exit code {process.returncode}",
        flush=True,
    )


def _ask_the_dashboard(journal: Path) -> None:
    """How long optuna-dashboard takes until it lists the studies, and until it shows one."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [Path(sys.executable).with_name("optuna-dashboard"), journal, "--port", str(_PORT)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for path in ("/api/studies", "/api/studies/0", "/api/studies/0"):
            size = _answer(f"http://127.0.0.1:{_PORT}{path}", process)
            peak = int(Path(f"/proc/{process.pid}/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024
            clock = time.perf_counter() - start
            print(
                f"dashboard, {path}: {size / 1e6:.1f} MB, {clock:.1f} s on the clock, peak memory {peak:.0f} MB",
                flush=True,
            )
            start = time.perf_counter()
    finally:
        process.kill()
        process.wait()


def _answer(url: str, process: subprocess.Popen[bytes]) -> int:
    """Bytes of the answer, for which the server may have to start first."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with suppress(urllib.error.URLError), urllib.request.urlopen(url, timeout=_PATIENCE_SECONDS) as answer:
            return len(answer.read())
        time.sleep(0.1)
    raise RuntimeError(f"no answer from {url}")


def _spec(folder: Path, arms: int, seeds: int) -> Path:
    path = folder / "many.yaml"
    levels = ", ".join(f"{1e-4 * (1 + place):.4f}" for place in range(arms))
    path.write_text(
        f"question: Which of many?\nbase: {{code_length: 16}}\nfactors: {{train.learning_rate: [{levels}]}}\n"
        f"reference: {{train.learning_rate: 0.0001}}\nseeds: {seeds}\n"
    )
    return path


def _trials(plan: Plan, fingerprint: str) -> Iterator[FrozenTrial]:
    rng = np.random.default_rng(0)
    for planned in plan.trials:
        task = Task(trial_key(planned, fingerprint), -1, planned.arm.name, planned.phase, fingerprint, planned.config)
        value = float(rng.uniform(0.4, 0.6))
        facts = TrialFacts(
            {SELECTION: value, RESULT: value + 0.01, "train_seconds": 1.0, "total_seconds": 1.5},
            stacked=1,
            codes_sha256=f"{rng.integers(2**60):x}",
            history=[{"epoch": float(epoch), SELECTION: value, "loss": 1.0} for epoch in range(_EVALUATIONS)],
            curves={f"test_{name}_by_radius": [value] * _RADII for name in ("precision", "recall")},
            ap={kind: as_text(rng.random(_QUERIES)) for kind in ("val", "test")},
            nearest=rng.integers(0, 500, (_PICTURES, 10)).tolist(),
            provenance={"commit": "made up", "host": "none"},
        )
        shown, asked = task.user_attributes(), task.system_attributes()
        apart, text = facts.attributes(shown | {name.removeprefix("nsh:"): told for name, told in asked.items()})
        yield create_trial(
            state=TrialState.COMPLETE,
            value=value,
            user_attrs=shown | apart,
            system_attrs=asked | as_system({FACTS: text}),
        )


if __name__ == "__main__":
    cli.run(app)
