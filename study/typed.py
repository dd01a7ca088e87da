"""The command line of this process as it was typed, and the one that follows it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
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
    return None if program is None else shlex.join([*program, "--study", folder.name, *_elsewhere(folder.parent)])


def run_line(options: Sequence[str], results: Path) -> str:
    """The command that runs a study of which this process was asked for a report.

    Args:
        options: Study, data set and so on, as they were typed.
        results: Folder of tables.
    """
    return shlex.join([*(_program("run") or ["python", "study/run.py"]), *options, *_elsewhere(results)])


def _elsewhere(results: Path) -> list[str]:
    """The option of a folder of tables, where it is not the usual one."""
    return [] if results == Path("results") else ["--results", str(results)]


def _program(door: str) -> list[str] | None:
    """A door as this process was started: a console script by its name, a file behind its interpreter."""
    typed = Path(sys.argv[0])
    if typed.name in _SCRIPTS.values():
        return [_SCRIPTS[door]]
    if typed.resolve() not in [Path(__file__).with_name(f"{name}.py") for name in _SCRIPTS]:
        return None
    return [sys.orig_argv[0] if sys.argv[0] in sys.orig_argv else "python", str(typed.with_name(f"{door}.py"))]
