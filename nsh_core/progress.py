"""Bars for what takes long within one command."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn


def progress_bar(unit: str, *more: ProgressColumn) -> Progress:
    """A bar with time left on a terminal, nothing elsewhere.

    Args:
        unit: What is counted.
        more: Columns behind those of every bar.
    """
    console = Console(stderr=True)
    columns = (TextColumn(unit), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), *more)
    return Progress(*columns, console=console, disable=not console.is_terminal)
