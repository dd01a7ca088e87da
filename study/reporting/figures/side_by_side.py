"""Work on the same results in several processes."""

from __future__ import annotations

import multiprocessing
import signal
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

from study.analysis.results import Results
from study.execution.engine import cores

T = TypeVar("T")
_work: Callable[[str], Any]


def side_by_side(work: Callable[[Results, str], T], results: Results, names: Sequence[str]) -> list[T]:
    """Does a piece of work for each name, in as many processes as there are cores.

    Args:
        work: Gets the results and a name; raises nothing, and gives what can be pickled.
        results: Inherited by the processes, as all else that this one has by now.
        names: What takes long comes last.

    Returns:
        What each came to, in the order of names.
    """
    many = min(cores(), len(names))
    # Elsewhere system libraries do not survive a fork.
    if many < 2 or sys.platform != "linux":
        return [work(results, name) for name in names]
    fork = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(many, fork, _begin, (lambda name: work(results, name),)) as pool:
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
