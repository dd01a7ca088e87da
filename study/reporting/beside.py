"""The files that a report's page links to."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from study.analysis.results import Results

_TABLES = {".csv", ".parquet", ".json", ".npz"}


def beside(results: Results, folder: Path, drawn: Sequence[str]) -> dict[str, str]:
    """Names of files to where they lie, as seen from the page.

    Args:
        results: Of the study.
        folder: Of its report.
        drawn: Names of its figures.
    """
    files = {name: name for name in ("report.md", "table.tex", *(f"{name}.pdf" for name in drawn))}
    if results.folder is not None and results.folder.is_dir():
        way = Path(os.path.relpath(results.folder, folder)).as_posix()
        tables = sorted(path.name for path in results.folder.iterdir() if path.suffix in _TABLES)
        files |= {name: f"{way}/{name}" for name in tables if not name.startswith(".")}
    return {name: quote(place) for name, place in files.items()}
