"""The process that workers are forked from: imports what they need, and ends with the run that started it.

Its workers end with it, and so with the run, whatever they do: while they import, too, or are stopped.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time

from study.execution.forking import GRACE_SECONDS, RUN_PID

_PR_SET_PDEATHSIG = 1


def _serve(run: int) -> None:
    """Gets ready to fork workers; called once, at the import of this module by that process."""
    server = os.getpid()

    def leave(*_: object) -> None:
        # The thread that started this process may have ended alone.
        if os.getppid() != run:
            time.sleep(GRACE_SECONDS)
            os._exit(0)

    def bind() -> None:
        # A worker's own children are its own affair.
        if os.getppid() == server:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            _at_the_end_of_the_parent(signal.SIGKILL)

    if not _at_the_end_of_the_parent(signal.SIGKILL):
        threading.Thread(target=_watch, args=(run,), daemon=True).start()
    if os.getppid() != run:
        os._exit(0)
    import study.execution.warm  # noqa: F401

    # Now there may be workers, which get a moment to give back the journal's lock.
    signal.signal(signal.SIGTERM, leave)
    _at_the_end_of_the_parent(signal.SIGTERM)
    leave()
    os.register_at_fork(after_in_child=bind)


def _at_the_end_of_the_parent(number: int) -> bool:
    """Has the system send a signal to this process when its parent ends; whether it can."""
    return sys.platform == "linux" and ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number) == 0


def _watch(run: int) -> None:
    while os.getppid() == run:
        time.sleep(0.1)
    time.sleep(GRACE_SECONDS)
    os._exit(0)


if RUN_PID in os.environ:
    _serve(int(os.environ[RUN_PID]))
