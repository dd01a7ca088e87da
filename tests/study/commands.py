"""Runs the commands of the project as a user would."""

import atexit
import json
import os
import subprocess
import sys
import tempfile
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

COST = ["train_seconds", "total_seconds", "peak_memory_mb", "peak_cuda_mb", "trial", "stacked", "commit"]

_servers: dict[int, subprocess.Popen] = {}


def arguments(script: str, *options: object) -> list[str]:
    return [sys.executable, str(ROOT / "study" / script), *map(str, options)]


def run(*options: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """study/run.py, with one worker process unless the options say how many."""
    jobs = () if "--jobs" in options else ("--jobs", 1)
    return in_a_fork("run.py", [*options, *jobs], environment)


def report(*options: object) -> subprocess.CompletedProcess[str]:
    return in_a_fork("report.py", options, {})


def in_a_fork(script: str, options: object, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Runs a command in a fork of a process that has imported everything already, which saves seconds a command."""
    server = _servers.get(os.getpid()) or _serve()
    command = arguments(script, *options)
    with tempfile.TemporaryDirectory() as folder:
        order = {"script": script, "argv": command[1:], "env": environment, "folder": folder, "cwd": os.getcwd()}
        server.stdin.write(json.dumps(order) + "\n")
        server.stdin.flush()
        code = int(server.stdout.readline())
        out, err = (Path(folder, name).read_text() for name in ("out", "err"))
    return subprocess.CompletedProcess(command, code, out, err)


def _serve() -> subprocess.Popen:
    server = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("forks.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    _servers[os.getpid()] = server
    atexit.register(server.kill)
    return server


def outcome(folder: Path) -> pd.DataFrame:
    """The trials table without what differs from run to run."""
    return pd.read_parquet(folder / "trials.parquet").drop(columns=COST)
