"""Where a run says how far it is: a bar on a terminal, one line in a notebook, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text
from typing_extensions import override

from study.execution.amounts import duration

_LINE_SECONDS = 30


@dataclass(frozen=True)
class Standing:
    """How far a study is.

    Attributes:
        over: Trials that have a result.
        total: Trials of the study, those of rounds of tuning to come too.
        running: Trials under way.
        details: What else there is to say: the best, how many failed.
        seconds_left: An estimate; none where there is nothing to go by.
    """

    over: int
    total: int
    running: int = 0
    details: tuple[str, ...] = ()
    seconds_left: float | None = None

    @property
    def left(self) -> str:
        """The time left in words; empty where it is not known."""
        return "" if self.seconds_left is None else f"about {duration(self.seconds_left)} left"

    def __str__(self) -> str:
        over = f"{self.over} of {self.total} trials over"
        return ", ".join(filter(None, [over, f"{self.running} running", *self.details, self.left]))


class Display:
    """Shows nothing; what shows something is a subclass. Stays open as long as its block."""

    def stage(self, what: str) -> None:
        """Says what is done now.

        Args:
            what: In words: "loading digits".
        """

    def say(self, line: str) -> None:
        """Says something that stays.

        Args:
            line: Without line end.
        """

    def end(self, what: str) -> None:
        """Says what came out.

        Args:
            what: In lines.
        """
        self.say(what)

    def show(self, standing: Standing) -> None:
        """Shows how far the study is; called often.

        Args:
            standing: By now.
        """

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _close(self) -> None:
        """Leaves the last state where it is."""


class Lines(Display):
    """Lines on standard output: for files and pipes."""

    def __init__(self) -> None:
        self._said = float("-inf")
        self._last: Standing | None = None

    @override
    def stage(self, what: str) -> None:
        self._flush()
        self.say(f"{what} ...")

    @override
    def say(self, line: str) -> None:
        print(line, flush=True)

    @override
    def show(self, standing: Standing) -> None:
        self._last = standing
        if time.monotonic() - self._said > _LINE_SECONDS:
            self._flush()
            self._said = time.monotonic()

    def _flush(self) -> None:
        if self._last is not None:
            self.say(str(self._last))
        self._last = None

    @override
    def _close(self) -> None:
        self._flush()


class Terminal(Display):
    """A bar on the terminal of standard error, below what is printed meanwhile."""

    def __init__(self, console: Console) -> None:
        self._console = console
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bar = Progress(*columns, TextColumn("{task.fields[left]}"), console=console)
        self._task = self._bar.add_task("training", total=None, left="")
        self._details, self._told = Text(no_wrap=True, overflow="ellipsis"), ""
        # Standard output that goes elsewhere disturbs no bar.
        self._live = Live(Group(self._bar, self._details), console=console, redirect_stdout=sys.stdout.isatty())

    @override
    def stage(self, what: str) -> None:
        if self._live.is_started:
            self._bar.update(self._task, description=what, left="")
            self._details.plain = self._told
        else:
            self._console.print(f"{what} ...", style="dim", markup=False, highlight=False)

    @override
    def say(self, line: str) -> None:
        print(line, flush=True)

    @override
    def show(self, standing: Standing) -> None:
        self._bar.update(self._task, completed=standing.over, total=standing.total, left=standing.left)
        self._told = ", ".join(standing.details)
        self._details.plain = ", ".join(filter(None, [f"{standing.running} running", self._told]))
        self._live.start(refresh=True)

    @override
    def _close(self) -> None:
        self._live.stop()


class Notebook(Display):
    """One line that is updated, below a cell."""

    def __init__(self) -> None:
        from IPython.display import DisplayHandle

        self._line: Any = DisplayHandle()
        self._shown, self._last = "", ""

    @override
    def stage(self, what: str) -> None:
        self._update(f"{what} ...")

    @override
    def say(self, line: str) -> None:
        print(line)

    @override
    def end(self, what: str) -> None:
        """The study itself, which `run` gives back, is shown below."""

    @override
    def show(self, standing: Standing) -> None:
        self._last = str(standing)
        self._update(self._last)

    @override
    def _close(self) -> None:
        self._update(self._last or self._shown)

    def _update(self, text: str) -> None:
        if text != self._shown:
            change = self._line.update if self._shown else self._line.display
            change({"text/plain": text}, raw=True)
            self._shown = text


def display_here() -> Display:
    """What fits where this process runs."""
    if _in_a_kernel():
        return Notebook()
    console = Console(stderr=True)
    return Terminal(console) if console.is_interactive else Lines()


def _in_a_kernel() -> bool:
    """Whether a notebook shows what this process displays; IPython is there, then, and imported."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return hasattr(shell, "kernel")
