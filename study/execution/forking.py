"""The warm process that workers are forked from; imports nothing of the project, so that it can be started first.

Whoever needs workers spends seconds on imports, and so does this process: side by side.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Iterator
from multiprocessing import forkserver
from pathlib import Path

# Of a worker between the end of its run, or the order to end, and its own.
GRACE_SECONDS = 1.0
RUN_PID = "NSH_RUN_PID"
_CHECKOUT = Path(__file__).parents[2]


def warm_up() -> None:
    """Starts the process, or does nothing where it runs; this checkout comes first on its path."""
    multiprocessing.set_forkserver_preload(["study.execution.fork_server"])
    first = [str(_CHECKOUT), *filter(None, [os.environ.get("PYTHONPATH")])]
    # With a safe path the working directory, which may be another checkout, is no part of it.
    with _environment(PYTHONSAFEPATH="1", PYTHONPATH=os.pathsep.join(first), **{RUN_PID: str(os.getpid())}):
        forkserver.ensure_running()


def cool_down() -> None:
    """Ends the process: alone it would go on with its imports, and hold the pipes of whoever is waited for."""
    pid = getattr(forkserver._forkserver, "_forkserver_pid", None)
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def _environment(**variables: str) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
