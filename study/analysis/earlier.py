"""What earlier trials of a study cost, read from its tables without pandas, so that a list of studies comes at once."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from study.execution.time_left import Kind, TimeLeft

_TRIALS = "trials.csv"
# Of a trial on the digits, pictures for the dashboard included, and of a query's AP in storage and tables.
_USUAL_BYTES, _QUERY_BYTES = 55_000, 5


@dataclass(frozen=True)
class Earlier:
    """The trials that a study has in its tables.

    Attributes:
        over: Digests of the configs of those that have a result.
        seconds: What each of them took, by kind.
    """

    over: set[str] = field(default_factory=set)
    seconds: dict[Kind, list[float]] = field(default_factory=dict)

    def ahead(self, jobs: int, kinds: Sequence[Kind] = (), others: int = 0) -> float | None:
        """Seconds that further trials take; none where there is nothing to go by.

        Args:
            jobs: That run at the same time.
            kinds: Of the trials.
            others: Trials of whatever kind.
        """
        time_left = TimeLeft(jobs)
        for kind, seconds in self.seconds.items():
            for one in seconds:
                time_left.took(kind, one)
        return time_left.estimate([], kinds, others)


def earlier_trials(folder: Path) -> Earlier:
    """Reads them; nothing where there are none to be read.

    Args:
        folder: Of a study's results.
    """
    found = Earlier()
    for row in _rows(folder / _TRIALS):
        if row.get("state") in ("complete", "pruned", "failed"):
            found.over.add(row.get("config_hash", ""))
        if row.get("total_seconds"):
            kind = Kind(row.get("arm", "").removeprefix("'"), row.get("phase", ""))
            found.seconds.setdefault(kind, []).append(float(row["total_seconds"]))
    return found


def bytes_of_a_trial(results: Path, journal: Path, queries: int = 0) -> float:
    """What a trial takes on the disk: as those do that are there, of whatever study.

    Args:
        results: Folder of tables.
        journal: The storage, where that is a file.
        queries: Of the data; they matter where there are no trials yet.
    """
    tables = list(results.glob(f"*/{_TRIALS}"))
    known = sum(1 for table in tables for _ in _rows(table))
    if not known or not journal.is_file():
        return _USUAL_BYTES + _QUERY_BYTES * queries
    folders = [results / "artifacts", *(table.parent for table in tables)]
    files = [journal, *(file for folder in folders for file in folder.glob("*"))]
    return sum(file.stat().st_size for file in files) / known


def _rows(table: Path) -> Iterator[dict[str, str]]:
    """The rows of a table as csv_text writes it; as many as can be read."""
    with contextlib.suppress(OSError, ValueError, csv.Error), table.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)
