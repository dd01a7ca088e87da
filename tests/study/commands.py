"""Runs the commands of the project as a user would."""

import atexit
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[2]

SPEC = """\
question: Does the tiny study run?
base: {code_length: 8, train.epochs: 2, train.evaluate_every: 1}
factors:
  sorter.name: [softsort, argsort]
reference: {sorter.name: softsort}
seeds: 2
figures: [arms, curves, pr, health, cost, gallery]
"""

TUNED_SPEC = """\
question: Which method is best when tuned?
base: {train.epochs: 2, train.evaluate_every: 10}
factors:
  method: {nsh: {}, cibhash: {method.name: cibhash}, lsh: {method.name: lsh}}
  code_length: [8, 12]
reference: {method: cibhash, code_length: 8}
within: [code_length]
tune: {trials: 3, seed: 77, sampler: halton}
seeds: 2
figures: [bits, arms, tuning, label_free, health, gallery]
"""

LONG_SPEC = SPEC.replace("train.epochs: 2, train.evaluate_every: 1", "train.epochs: 12, train.evaluate_every: 4")

COST = [
    "encode_ms", "train_seconds", "total_seconds", "peak_memory_mb", "peak_cuda_mb", "trial", "stacked", "provenance",
]  # fmt: skip

ONE_THREAD = {"OMP_NUM_THREADS": "1"}

_servers: dict[int, subprocess.Popen] = {}


def arguments(script: str, *options: object) -> list[str]:
    return [sys.executable, str(ROOT / "study" / script), *map(str, options)]


def run(*options: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """study/run.py, with one worker process unless the options say how many."""
    jobs = () if "--jobs" in options else ("--jobs", 1)
    return in_a_fork("run.py", [*options, *jobs], environment)


def report(*options: object) -> subprocess.CompletedProcess[str]:
    return in_a_fork("report.py", options)


def module(name: str, *options: object) -> subprocess.CompletedProcess[str]:
    """python -m NAME, in a process of its own."""
    command = [sys.executable, "-m", name, *map(str, options)]
    return subprocess.run(command, cwd=ROOT, env=os.environ | ONE_THREAD, capture_output=True, text=True)


def in_a_fork(
    script: str, options: Iterable[object], environment: dict[str, str] | None = None, **limits: int
) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end in a fork; see Fork."""
    fork = Fork(script, *options, environment=environment, **limits)
    out, err = fork.communicate()
    return subprocess.CompletedProcess(fork.args, fork.returncode, out, err)


class Fork:
    """A command in a fork of a process that has imported everything already, which saves seconds a command.

    Has what tests need of a subprocess.Popen. script: one of MAINS in forks.py. host: a name of its own for the
    host that it runs on, where the system allows it. memory: bytes of address space beyond what the imports took.
    limits: of its resources, as RLIMIT_FSIZE=1024.
    """

    def __init__(
        self,
        script: str,
        *options: object,
        environment: dict[str, str] | None = None,
        host: str = "",
        memory: int | None = None,
        **limits: int,
    ) -> None:
        self.args = arguments(script, *options)
        self.returncode: int | None = None
        self._folder = tempfile.TemporaryDirectory()
        self._server = _servers.get(os.getpid()) or _serve()
        order = {
            "script": script, "argv": self.args[1:], "cwd": os.getcwd(), "folder": self._folder.name, "host": host,
            "env": os.environ | ONE_THREAD | (environment or {}), "limits": limits,
            "memory": memory,
        }  # fmt: skip
        self._server.stdin.write(json.dumps(order) + "\n")
        self._server.stdin.flush()
        self.pid = int(self._server.stdout.readline())

    def poll(self) -> int | None:
        if self.returncode is None:
            with contextlib.suppress(FileNotFoundError):
                self.returncode = int(self._file("code").read_text())
        return self.returncode

    def wait(self, timeout: float = 600) -> int:
        deadline = time.monotonic() + timeout
        while self.poll() is None:
            assert self._server.poll() is None, "the fork server ended"
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(self.args, timeout)
            time.sleep(0.005)
        return self.returncode

    def communicate(self, timeout: float = 600) -> tuple[str, str]:
        self.wait(timeout)
        return self.written("out"), self.written("err")

    def written(self, name: str) -> str:
        """What it wrote by now to out or err."""
        return self._file(name).read_text() if self._file(name).exists() else ""

    def first_line(self, timeout: float) -> str:
        """Of its output, once it is there; what there is if it ends before."""
        deadline = time.monotonic() + timeout
        while "\n" not in (out := self.written("out")) and self.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        return out.partition("\n")[0]

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _file(self, name: str) -> Path:
        return Path(self._folder.name, name)


def _serve() -> subprocess.Popen:
    server = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("forks.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | ONE_THREAD,
    )
    _servers[os.getpid()] = server
    atexit.register(_end, server)
    return server


def _end(server: subprocess.Popen) -> None:
    """Its forks end with it."""
    server.stdin.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.wait(10)
    server.kill()


def outcome(folder: Path) -> pd.DataFrame:
    """The trials table without what differs from run to run."""
    return pd.read_parquet(folder / "trials.parquet").drop(columns=COST)


def as_of_an_earlier_version(folder: Path) -> None:
    """Makes results such as were written before run.json kept digests of the files beside it, which can be altered."""
    facts = folder / "run.json"
    facts.write_text(json.dumps(json.loads(facts.read_text()) | {"digests": {}}))
