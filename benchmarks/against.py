"""This checkout and another commit in turns, each in a process of its own with the benchmarks of this one."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from io import BytesIO
from math import comb, inf
from pathlib import Path
from typing import Any

import torch

from benchmarks.goals import Row
from benchmarks.history import REPOSITORY, git
from benchmarks.measure import MOST_RUNS, MOST_SECONDS
from nsh_core.errors import UserError

Say = Callable[[str], None]
_LEAST_ROUNDS = 3


def commit_named(rev: str) -> str:
    """The full name of a commit.

    Args:
        rev: A commit of this repository, as git names it.

    Raises:
        UserError: There is no such commit.
    """
    found = git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}")
    if not found:
        raise UserError(f"--against must name a commit of {REPOSITORY}, as HEAD~1 or a branch, got {rev!r}")
    return found


def rows_against(commit: str, names: Sequence[str], device: torch.device, quick: bool, say: Say) -> Iterator[Row]:
    """Both commits' seconds of each case, and how many times as fast this one is: median of paired ratios, interval.

    Args:
        commit: The other one.
        names: Of groups.
        device: Where both run.
        quick: As for the groups.
        say: Is told of cases that the other commit has not.

    Yields:
        Rows: name, n, device, project_s, against_s, faster, low, high, rounds.

    Raises:
        UserError: A case fails here.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        shutil.copytree(REPOSITORY / "benchmarks", folder / "cases" / "benchmarks")
        _unpack(commit, folder / "other")
        here, other = (
            stack.enter_context(_process(folder / "cases", tree, device, quick))
            for tree in (REPOSITORY, folder / "other")
        )
        for name in names:
            own, theirs = here.ask(group=name), other.ask(group=name)
            if "error" in own:
                raise UserError(f"{name} fails here: {own['error']}")
            if "error" in theirs:
                say(f"{name}: left out, {commit[:9]} has it not: {theirs['error']}")
                continue
            for place, (case, n) in enumerate(own):
                row = _in_turns(here, other, place)
                if isinstance(row, str):
                    say(f"{case}, n = {n}: left out, {row}")
                else:
                    yield {"name": case, "n": n, "device": str(device)} | row


def _unpack(commit: str, folder: Path) -> None:
    archive = subprocess.run(["git", "-C", REPOSITORY, "archive", commit], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=BytesIO(archive)) as files:
        files.extractall(folder, filter="data")


class _Checkout:
    """A worker of one checkout."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, **order: object) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            print(json.dumps(order), file=self._process.stdin, flush=True)
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        return json.loads(line) if line else {"error": "its process ended"}


@contextmanager
def _process(cases: Path, tree: Path, device: torch.device, quick: bool) -> Iterator[_Checkout]:
    """A worker that takes benchmarks from a folder, all else from a checkout."""
    path = os.pathsep.join([str(cases), str(tree)])
    command = [sys.executable, "-m", "benchmarks.worker", str(device), "quick" if quick else "whole"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=cases, env=os.environ | {"PYTHONPATH": path}, text=True, **pipes) as process:
        yield _Checkout(process)


def _in_turns(here: _Checkout, other: _Checkout, place: int) -> Row | str:
    """A row's numbers, or why there are none. Who begins changes from round to round."""
    seconds: dict[_Checkout, list[float]] = {here: [], other: []}
    start, rounds = inf, -1  # the first is not counted
    while rounds < _LEAST_ROUNDS or (rounds < MOST_RUNS and time.perf_counter() - start < 2 * MOST_SECONDS):
        for checkout in (here, other) if rounds % 2 else (other, here):
            found = checkout.ask(time=place)
            if isinstance(found, dict):
                return f"{'the other commit' if checkout is other else 'this one'} fails: {found['error']}"
            if rounds >= 0:
                seconds[checkout].append(found)
        rounds += 1
        start = min(start, time.perf_counter())
    ratios = sorted(theirs / own for own, theirs in zip(seconds[here], seconds[other], strict=True))
    low, high = interval(ratios)
    own, theirs = (statistics.median(found) for found in seconds.values())
    faster = statistics.median(ratios)
    return {"project_s": own, "against_s": theirs, "faster": faster, "low": low, "high": high, "rounds": rounds}


def interval(ordered: Sequence[float]) -> tuple[float, float]:
    """An interval that holds the median with a chance of at least 95%, whatever the distribution: two of the values.

    Args:
        ordered: Values, ascending; of fewer than six the least and the largest, whose chance is smaller.
    """
    count = len(ordered)
    outside, place = 0.0, 0
    while place < count // 2:
        outside += 2 * comb(count, place) / 2**count
        if outside > 0.05:
            break
        place += 1
    place = max(0, place - 1)
    return ordered[place], ordered[count - 1 - place]
