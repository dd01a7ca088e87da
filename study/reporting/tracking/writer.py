"""The process that trackers work in: their threads, handlers, messages and waits are none of the study's."""

from __future__ import annotations

import contextlib
import os
import tempfile
import textwrap
from collections.abc import Iterable, Mapping
from multiprocessing import Pipe, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from nsh_core import plugins
from nsh_core.errors import in_a_line
from study.execution.forking import GRACE_SECONDS, fork
from study.registry import TRACKERS
from study.reporting.tracking.tracker import TrackedRun, Tracker
from study.storage.place import secrets_hidden

PATIENCE_SECONDS = 120
_LONGEST = 300


class NotWritten(Exception):
    """A tracker failed; the message says why, in one line."""


class Writer:
    """Has trackers write runs, one after another, in a process that starts when it is first needed.

    Args:
        study: Name of the study.
        folder: Of all trackers' folders.
    """

    def __init__(self, study: str, folder: Path) -> None:
        self._study, self._folder = study, folder
        self._process: BaseProcess | None = None
        self._channel: Connection
        self._scratch: tempfile.TemporaryDirectory[str]

    def write(self, tracker: str, run: TrackedRun) -> None:
        """Has a run written.

        Args:
            tracker: Name of the tracker.
            run: What is written.

        Raises:
            NotWritten: The tracker failed, ended the process, or took so long that the process was ended.
            OSError: The process cannot be started.
        """
        try:
            if self._process is None:
                self._channel, theirs = Pipe()
                # What packages leave in it goes, however their process ends.
                self._scratch = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
                environment = os.environ | {"TMPDIR": self._scratch.name}
                self._process = fork(_serve, theirs, self._study, self._folder, plugins.loaded(), environment)
                theirs.close()
            self._channel.send((tracker, run))
            if not self._channel.poll(PATIENCE_SECONDS):
                raise NotWritten(f"no answer for {PATIENCE_SECONDS} s")
            failure = self._channel.recv()
        except BaseException as error:
            self.end(0.0)
            if isinstance(error, (ConnectionError, EOFError)):
                raise NotWritten("its process ended") from None
            raise
        if failure is not None:
            raise NotWritten(failure)

    def end(self, grace: float = GRACE_SECONDS) -> None:
        """Ends the process, if there is one.

        Args:
            grace: Seconds that it gets to clean up.
        """
        if self._process is not None:
            with contextlib.suppress(OSError):
                self._channel.send(None)
            self._channel.close()
            self._process.join(grace)
            self._process.kill()
            self._process.join()
            self._process = None
            self._scratch.cleanup()


def _serve(
    channel: Connection, study: str, folder: Path, loaded: Iterable[plugins.Plugin], environment: Mapping[str, str]
) -> None:
    """Writes runs until it is told nothing, or the study's process ends; answers each with nothing, or what failed."""
    os.setsid()
    for stream in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    os.environ.clear()
    os.environ.update(environment)
    plugins.receive(loaded)
    parent = parent_process()
    assert parent is not None
    tempfile.tempdir = environment["TMPDIR"]
    known: dict[str, Tracker] = {}
    while channel in wait([channel, parent.sentinel]):
        order = channel.recv()
        if order is None:
            return
        name, run = order
        if name not in known:
            known[name] = TRACKERS[name](study, folder / name)
        try:
            known[name].write(run)
            channel.send(None)
        except (Exception, SystemExit) as error:
            # What it holds of a server may be of no use any more.
            reason = secrets_hidden(in_a_line(error), known.pop(name).place)
            channel.send(textwrap.shorten(reason, _LONGEST, placeholder="..."))
