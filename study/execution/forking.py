"""The warm process that workers are forked from; imports nothing of the project, so that it can be started first.

Whoever needs workers spends seconds on imports, and so does this process: side by side.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import types
from collections.abc import Callable, Iterator
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

# Of a worker between the end of its run, or the order to end, and its own.
GRACE_SECONDS = 1.0
RUN_PID = "NSH_RUN_PID"
START_METHOD = "forkserver"
_CHECKOUT = Path(__file__).parents[2]


def warm_up() -> None:
    """Starts the process, or does nothing where it runs or none is used; this checkout comes first on its path."""
    if START_METHOD != "forkserver":
        return
    multiprocessing.set_forkserver_preload(["study.execution.fork_server"])
    first = [str(_CHECKOUT), *filter(None, [os.environ.get("PYTHONPATH")])]
    # With a safe path the working directory, which may be another checkout, is no part of it.
    with _environment(PYTHONSAFEPATH="1", PYTHONPATH=os.pathsep.join(first), **{RUN_PID: str(os.getpid())}):
        forkserver.ensure_running()


def fork(target: Callable[..., None], *arguments: object) -> BaseProcess:
    """Starts a process that is forked from the warm one, and ends with it.

    Args:
        target: What it does, by name importable there.
        arguments: For that.
    """
    warm_up()
    context: Any = multiprocessing.get_context(START_METHOD)
    process: BaseProcess = context.Process(target=target, args=arguments, daemon=True)
    with _without_main():
        process.start()
    return process


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Hides the caller's script, which multiprocessing would run again in each process: they need nothing of it."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def cool_down() -> None:
    """Ends the process: alone it would go on with its imports, and hold the pipes of whoever is waited for."""
    pid = getattr(forkserver._forkserver, "_forkserver_pid", None)
    if pid is not None:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            # It is dead when this returns, and left for multiprocessing to find so, which else would take it for alive.
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


@contextlib.contextmanager
def _environment(**variables: str) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
