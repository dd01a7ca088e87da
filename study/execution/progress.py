"""How far a run is."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence

from optuna.trial import FrozenTrial, TrialState
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from nsh_core.measures import SELECTION

_LINE_SECONDS = 30

Show = Callable[[int, int, Sequence[FrozenTrial]], None]


@contextlib.contextmanager
def progress(total: int) -> Iterator[Show]:
    """A bar on a terminal, a line now and then elsewhere.

    Args:
        total: Trials of the run.

    Yields:
        What shows how many of how many trials are over, and the best among all.
    """
    columns = (TextColumn("trials"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    last = (TextColumn("left"), TimeRemainingColumn(elapsed_when_finished=True), TextColumn("{task.fields[note]}"))
    console = Console(stderr=True)
    said = time.monotonic()
    with Progress(*columns, *last, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("trials", total=total, note="")

        def show(over: int, total: int, trials: Sequence[FrozenTrial]) -> None:
            nonlocal said
            best = max((t.value for t in trials if t.value is not None), default=None)
            note = "" if best is None else f"best {SELECTION} {best:.4f}"
            for name, state in (("pruned", TrialState.PRUNED), ("failed", TrialState.FAIL)):
                if count := sum(trial.state == state for trial in trials):
                    note += f", {name} {count}"
            bar.update(task, completed=over, total=total, note=note)
            if not console.is_terminal and time.monotonic() - said > _LINE_SECONDS:
                console.print(f"{over} of {total} trials, {note}")
                said = time.monotonic()

        yield show
