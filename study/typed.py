"""The command line of this process as it was typed, and the one that follows it."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from study.storage.place import without_secrets

_SCRIPTS = {"run": "nsh-study", "report": "nsh-report"}


def command_line() -> str | None:
    """As typed, without passwords.

    Returns:
        It; none where this process is a notebook, or a script of a user's.
    """
    program = _program("run")
    return None if program is None else shlex.join([*program, *without_secrets(sys.argv[1:])])


def recorded_command() -> str:
    """As typed, without passwords and without the folders of this machine's; or that Python ran the study."""
    if _program("run") is None:
        return "Study.run() in Python"
    return shlex.join(["python", "study/run.py", *without_secrets(sys.argv[1:])])


def report_line(folder: Path) -> str | None:
    """The command that writes the report of a study which this process runs.

    Args:
        folder: Of its results.

    Returns:
        It; none where this process is a notebook, or a script of a user's.
    """
    program = _program("report")
    elsewhere = [] if folder.parent == Path("results") else ["--results", str(folder.parent)]
    return None if program is None else shlex.join([*program, "--study", folder.name, *elsewhere])


def _program(door: str) -> list[str] | None:
    """A door as this process was started: a console script by its name, a file behind its interpreter."""
    typed = Path(sys.argv[0])
    if typed.name == _SCRIPTS["run"]:
        return [_SCRIPTS[door]]
    if typed.resolve() != Path(__file__).with_name("run.py"):
        return None
    return [sys.orig_argv[0] if sys.argv[0] in sys.orig_argv else "python", str(typed.with_name(f"{door}.py"))]
