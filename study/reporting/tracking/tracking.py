"""Has trackers told of each trial that is over, once."""

from __future__ import annotations

import hashlib
import importlib.util
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from filelock import FileLock

from nsh_core.errors import UserError, naming
from study.execution.queue import TrialQueue
from study.registry import TRACKERS
from study.reporting import artifacts
from study.reporting.tracking.runs import finished_runs
from study.reporting.tracking.tracker import TrackedRun
from study.reporting.tracking.writer import PATIENCE_SECONDS, NotWritten, Writer
from study.storage.opening import storage_errors
from study.storage.place import shown

FOLDER = "track"
# A server that is away is left alone for so long: each look at it may take a minute.
_REST_SECONDS = 300


class Tracking:
    """The trackers of a study.

    Args:
        names: Of trackers.
        study: The study's name in storage and folders.
        results: Folder of tables.

    Raises:
        UserError: There is no such tracker, or its package is missing.
    """

    def __init__(self, names: Iterable[str], study: str, results: Path) -> None:
        folder = results / FOLDER
        self._pictures, self._ledgers = results / artifacts.FOLDER, folder / "written"
        self._places: dict[str, str] = {}
        for name in names:
            with naming(f"tracker {name!r}"):
                tracker = TRACKERS[name](study, folder / name)
                self._places[name] = tracker.place
            if tracker.package and importlib.util.find_spec(tracker.package) is None:
                raise UserError(f"tracker {name} needs the package {tracker.package}: pip install {tracker.install}")
        self._writer = Writer(study, folder)
        self._study = study
        self._said: set[str] = set()
        self._rests: dict[str, float] = {}

    def update(self, queue: TrialQueue, url: str) -> None:
        """Has what is over, and was not written yet, written.

        What fails there is a note: the next look, or the next command, writes what is missing.

        Args:
            queue: Of the study.
            url: Of its storage, for messages.

        Raises:
            UserError: The storage cannot be read.
        """
        if not self._places:
            return
        with storage_errors(url):
            runs = finished_runs(queue, self._pictures)
        for name, place in self._places.items():
            if time.monotonic() < self._rests.get(name, 0.0):
                continue
            try:
                self._write(name, place, runs)
            except (NotWritten, OSError) as error:
                self._rests[name] = time.monotonic() + _REST_SECONDS
                self._say(f"tracker {name}: {error}; the next command writes what is missing")

    def close(self) -> None:
        """Ends the process that writes."""
        self._writer.end()

    def _write(self, name: str, place: str, runs: Mapping[str, Callable[[], TrackedRun]]) -> None:
        """Writes what the ledger of the place does not name; one process at a time."""
        digest = hashlib.sha256(f"{self._study} {place}".encode()).hexdigest()[:16]
        ledger = self._ledgers / f"{name}-{digest}.txt"
        ledger.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(ledger.with_suffix(".lock"), timeout=PATIENCE_SECONDS):
            written = set(ledger.read_text().split() if ledger.exists() else [])
            for number in (one for one in runs if one not in written):
                self._say(f"tracker {name} writes to {shown(place)}")
                self._writer.write(name, runs[number]())
                with ledger.open("a") as file:
                    # A line that a kill cut short names no run.
                    file.write(f"\n{number}")

    def _say(self, note: str) -> None:
        """Says what was not said yet."""
        if note not in self._said:
            print(f"note: {note}")
            self._said.add(note)
