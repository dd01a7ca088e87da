"""Runs of benchmarks, from the file that they are added to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nsh_core.errors import UserError
from nsh_core.registry import listed, nearest
from study.reporting.quoted.markdown import table

_COLUMNS = ("name", "n", "reference_s", "project_s", "ratio", "reference_mb", "project_mb", "max_abs_error")


class Benchmarks:
    """Quotes runs of files of benchmarks, the latest where nothing else is said.

    Args:
        folder: Where the files are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def benchmarks(self, file: str) -> str:
        """The table of all cases.

        Args:
            file: Name of the file.
        """
        return table(_COLUMNS, ([_cell(row[column]) for column in _COLUMNS] for row in self._run(file)["rows"]))

    def benchmark(self, file: str, case: str, column: str, n: int | None = None, before: int = 0) -> str:
        """A number of a case.

        Args:
            file: As for benchmarks.
            case: Its name.
            column: Of the table.
            n: Its size, where the case has several.
            before: How many runs before the latest.
        """
        rows = self._run(file, before)["rows"]
        found = [row for row in rows if row["name"] == case and n in (None, row["n"])]
        if len(found) != 1:
            names = dict.fromkeys(f"{row['name']} at n={row['n']}" for row in rows)
            raise UserError(f"there are {len(found)} such cases, known: {listed(names)}{nearest(case, names)}")
        if column not in found[0] or found[0][column] is None:
            raise UserError(f"{case} has no {column}, known: {listed(found[0])}")
        return _cell(found[0][column])

    def benchmarked(self, file: str) -> str:
        """When, at which commit and on what the run was made.

        Args:
            file: As for benchmarks.
        """
        run = self._run(file)
        machine = run["device"] if run["device"] != "cpu" else run["machine"] or "CPU"
        return f"{run['date']} at commit {run['commit']}, {machine}, {run['cores']} cores"

    def _run(self, file: str, before: int = 0) -> dict[str, Any]:
        path = self._folder / file
        if not path.is_file():
            raise UserError(f"there is no file of benchmarks {path}")
        runs = json.loads(path.read_text())
        if not 0 <= before < len(runs):
            raise UserError(f"before must be 0 to {len(runs) - 1}, got {before}")
        return runs[-1 - before]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3g}" if isinstance(value, float) else str(value)
