"""What a tracker is, and what it is told of a trial."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar

Setting = str | bool | int | float


@dataclass(frozen=True)
class TrackedRun:
    """A trial that is over, as trackers show it.

    Attributes:
        id: 16 hex digits, the same for whoever tracks it; a trial that is trained anew gets another.
        name: "ARM/SEED"; of a try of tuning "ARM/tuning NUMBER", with the trial's number in the storage.
        arm: That it is grouped by.
        state: "complete", "pruned" or "failed".
        facts: What it is: study, arm, seed, phase, state, failure, trial, commit, ...
        params: Settings by dotted name, those in which some trial of the study departs from the defaults; `tuned`
            names those that tuning changed.
        curves: "epoch" and "radius" (Hamming) to their values x, and those to what was measured there by name.
        measures: What it came to in the end, by name.
        pictures: File name to where the picture is.
        started: When its training did.
        ended: When that was over.
    """

    id: str
    name: str
    arm: str
    state: str
    facts: dict[str, Setting]
    params: dict[str, Setting]
    curves: dict[str, dict[int, dict[str, float]]]
    measures: dict[str, float]
    pictures: dict[str, Path]
    started: datetime
    ended: datetime

    @property
    def last_epoch(self) -> int:
        """At which it was evaluated; 0 if it never was."""
        return max(self.curves["epoch"], default=0)

    def points(self) -> Iterator[tuple[str, int, float]]:
        """All points of its curves, as ("epoch/val_map", x, y)."""
        for axis, rows in self.curves.items():
            for x, values in rows.items():
                yield from ((f"{axis}/{name}", x, y) for name, y in values.items())


class Tracker(ABC):
    """Writes runs to one place. It does so in a process of its own, and imports its package there.

    Args:
        study: The study's name in storage and folders: its runs are kept together.
        folder: Where it writes unless it is told otherwise.

    Attributes:
        study: As given.
        folder: As given, absolute.
        package: What it imports; empty for nothing but this project.
        install: How pip is asked for that.
    """

    package: ClassVar[str] = ""
    install: ClassVar[str] = ""

    def __init__(self, study: str, folder: Path) -> None:
        self.study = study
        self.folder = folder.absolute()

    @property
    def place(self) -> str:
        """Where it writes; a run that was written to another place is written to this one too."""
        return str(self.folder)

    @abstractmethod
    def write(self, run: TrackedRun) -> None:
        """Writes a run to its end. What is there of a run of that id is made whole, not doubled.

        Args:
            run: A trial that is over.
        """
