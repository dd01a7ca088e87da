"""Runs the commands of the project as a user would."""

import subprocess
import sys
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

COST = ["train_seconds", "total_seconds", "peak_memory_mb", "peak_cuda_mb", "trial", "stacked"]


def arguments(script: str, *options: object) -> list[str]:
    return [sys.executable, str(ROOT / "study" / script), *map(str, options)]


def run(*options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arguments("run.py", *options), capture_output=True, text=True)


def report(*options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arguments("report.py", *options), capture_output=True, text=True)


def outcome(folder: Path) -> pd.DataFrame:
    """The trials table without what differs from run to run."""
    return pd.read_parquet(folder / "trials.parquet").drop(columns=COST)
