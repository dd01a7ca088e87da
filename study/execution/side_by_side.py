"""Pieces of work in several processes, which have all that this one has by now."""

from __future__ import annotations

import multiprocessing
import signal
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

from study.execution.engine import cores

T = TypeVar("T")
_work: Callable[[str], Any]


def side_by_side(work: Callable[[str], T], names: Sequence[str]) -> list[T]:
    """Does a piece of work for each name, in as many processes as there are cores.

    Args:
        work: Gets a name, and gives what can be pickled.
        names: What takes long comes last.

    Returns:
        What each came to, in the order of names.
    """
    many = min(cores(), len(names))
    # Elsewhere system libraries do not survive a fork.
    if many < 2 or sys.platform != "linux":
        return [work(name) for name in names]
    with ProcessPoolExecutor(many, multiprocessing.get_context("fork"), _begin, (work,)) as pool:
        # What takes long first, so that no core waits for it at the end.
        return list(pool.map(_do, names[::-1]))[::-1]


def _begin(work: Callable[[str], Any]) -> None:
    """Called once in each process; arguments of a fork are not pickled."""
    global _work
    _work = work
    # The one that waits for them ends them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _do(name: str) -> Any:
    return _work(name)
