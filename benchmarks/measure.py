"""Times two functions alternately, and the memory that each needs at its peak."""

from __future__ import annotations

import ctypes
import gc
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch


class Seconds(float):
    """What a work returns that says itself how long it took, since not all that it does is to be timed."""

    @classmethod
    def of(cls, work: Callable[[], object]) -> Seconds:
        """How long a work takes.

        Args:
            work: Run once.
        """
        start = time.perf_counter()
        work()
        return cls(time.perf_counter() - start)


Work = Callable[[], object]
MOST_SECONDS = 10.0
MOST_RUNS = 9
_TURN = 0.05


def medians(works: dict[str, Work], device: torch.device) -> dict[str, float]:
    """Median seconds of each work, run in turns so that the machine's moods hit all alike: up to 9 rounds or 10 s.

    The first run of each is not counted, unless it took more than 10 s: then it is the only one.

    Args:
        works: By name.
        device: Where they run; CUDA is waited for.
    """
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for name, work in works.items():
        first = seconds_of(work, device)
        if first > MOST_SECONDS:
            seconds[name].append(first)
    start = time.perf_counter()
    rounds = 0
    while rounds < MOST_RUNS and time.perf_counter() - start < MOST_SECONDS:
        for name, work in works.items():
            if not seconds[name] or seconds[name][0] < MOST_SECONDS:
                seconds[name].append(turn(work, device))
        rounds += 1
    return {name: statistics.median(values) for name, values in seconds.items()}


def turn(work: Work, device: torch.device) -> float:
    """Median seconds of as many runs as fit into a twentieth of a second, at least one: a step follows a step.

    Args:
        work: Run each time.
        device: Where it runs.
    """
    start, found = time.perf_counter(), list[float]()
    while not found or time.perf_counter() - start < _TURN:
        found.append(seconds_of(work, device))
    return statistics.median(found)


def peak_mb(work: Work, device: torch.device) -> float | None:
    """Memory that a work needs beyond what is held before.

    Args:
        work: Run once.
        device: Where it runs.

    Returns:
        MiB by CUDA's own count, or of the peak resident set on Linux; none elsewhere.
    """
    gc.collect()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        work()
        torch.cuda.synchronize()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    clear = Path("/proc/self/clear_refs")
    if not clear.exists():
        return None
    # What the allocator keeps of earlier work would hide the memory of this one.
    ctypes.CDLL(None).malloc_trim(0)
    clear.write_text("5")
    before = _status("VmRSS")
    work()
    return max(0, _status("VmHWM") - before) / 2**10


def seconds_of(work: Work, device: torch.device) -> float:
    """How long a work takes, or says that it took.

    Args:
        work: Run once.
        device: Where it runs; CUDA is waited for.
    """
    start = time.perf_counter()
    said = work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return float(said) if isinstance(said, Seconds) else time.perf_counter() - start


def _status(name: str) -> int:
    """A field of /proc/self/status in kB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
