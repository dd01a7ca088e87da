"""The runs of benchmarks that a file holds, the latest last."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from benchmarks.goals import Row
from nsh_core.errors import UserError
from nsh_core.files import write_atomically

REPOSITORY = Path(__file__).resolve().parents[1]
HISTORY = REPOSITORY / "docs" / "benchmarks.json"

Run = dict[str, Any]


def read(path: Path) -> list[Run]:
    """Runs, each with date, commit, machine, cores, torch, device and rows; none where there is no file.

    Args:
        path: Of the file.

    Raises:
        UserError: It holds something else.
    """
    if not path.exists():
        return []
    try:
        runs = json.loads(path.read_bytes())
        rows_of(runs)
    except (ValueError, TypeError, KeyError):
        raise UserError(f"{path} holds no runs of benchmarks: give another file to --json") from None
    return runs


def write(path: Path, runs: list[Run]) -> None:
    """Writes runs in one step.

    Args:
        path: Of the file.
        runs: The latest last.
    """
    write_atomically(path, json.dumps(runs, indent=1) + "\n")


def new_run(device: torch.device, against: str | None) -> Run:
    """A run that begins: when and where, and no rows yet.

    Args:
        device: Where cases run.
        against: The commit that runs in turns with this one, if one does.
    """
    run = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": _commit(),
        "machine": _machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
    }
    return run | ({} if against is None else {"against": against}) | {"rows": []}


def rows_of(runs: list[Run]) -> list[Row]:
    """The rows of runs, one after another.

    Args:
        runs: As read gives them.
    """
    return [row for run in runs for row in run["rows"]]


def git(*words: str) -> str:
    """What git says of this repository, stripped; "" where it fails or is missing.

    Args:
        words: Its arguments.
    """
    try:
        return subprocess.run(
            ["git", "-C", REPOSITORY, *words], capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _commit() -> str:
    """Of this checkout, with + where it has changes."""
    changed = "+" if git("status", "--porcelain", "--untracked-files=no") else ""
    return git("rev-parse", "--short", "HEAD") + changed


def _machine() -> str:
    """The name of the processor."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
