"""From a command to its answer: lists, help, a study with nothing left to do, a report, a worker."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from functools import cache, partial
from pathlib import Path

import nsh_core
from benchmarks.cases.case import Case
from benchmarks.measure import Seconds

_STUDY = Path(nsh_core.__file__).parents[1] / "study"
_SPEC = """\
question: How long does it take to say so?
base: {code_length: 16, train.epochs: 2, train.evaluate_every: 1}
factors:
  sorter.name: [softsort, argsort]
reference: {sorter.name: softsort}
seeds: 3
"""


def start_cases() -> list[Case]:
    """Commands that compute nothing."""
    commands = {
        "start_list": ("run.py", "--list"),
        "start_help": ("run.py", "--help"),
        "start_report_help": ("report.py", "--help"),
    }
    return [Case(name, 1, partial(_command, *words), here=False) for name, words in commands.items()]


def study_cases() -> list[Case]:
    """A study of two arms and three seeds on the digits that is complete: given again, and its report."""
    given = "--study", _made() / "answers.yaml", "--results", _made() / "results"
    again = partial(_command, "run.py", *given, "--jobs", 1)
    report = partial(_command, "report.py", *given)
    again()  # trains it
    return [Case("study_again", 6, again, here=False), Case("study_report", 6, report, here=False)]


def worker_cases() -> list[Case]:
    """A worker from the order to fork it until it has opened data and storage, found nothing to do, and is gone."""
    return [Case("worker", 1, _worker, here=False)]


def _command(script: str, *words: object) -> None:
    subprocess.run([sys.executable, str(_STUDY / script), *map(str, words)], check=True, capture_output=True)


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """With a spec, for as long as this process lives."""
    folder = tempfile.TemporaryDirectory()
    (Path(folder.name) / "answers.yaml").write_text(_SPEC)
    return folder


def _made() -> Path:
    return Path(_folder().name)


def _worker() -> Seconds:
    orders = _orders()  # not timed

    def fork_and_wait() -> None:
        from study.execution.forking import fork
        from study.execution.worker import work

        (ours, theirs), (listening, pulse) = multiprocessing.Pipe(), multiprocessing.Pipe(duplex=False)
        process = fork(work, orders, theirs, pulse)
        for end in (ours, theirs, pulse):
            end.close()
        process.join()
        listening.close()
        if process.exitcode:
            raise RuntimeError(f"the worker ended with code {process.exitcode}")

    return Seconds.of(fork_and_wait)


@cache
def _orders() -> object:
    """For a worker of a study without trials."""
    import optuna

    from study.execution.ownership import own_run
    from study.execution.worker import Orders
    from study.storage.opening import open_storage

    journal = str(_made() / "worker.journal")
    optuna.create_study(study_name="s", storage=open_storage(journal))
    return Orders(journal, ["s"], "digits", 1, None, [], dict(os.environ), own_run())
