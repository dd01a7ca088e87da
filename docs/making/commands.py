"""The command lines, as Typer has them."""

from __future__ import annotations

import re

import typer
from typer.cli import get_docs_for_click
from typer.main import get_command

_CHANGES = (
    (r"^\* `--help`: .*\n", ""),
    # Cut off, and told of in full below.
    (r"^\*\*Options\*\*:\n\n\n\*\*Commands\*\*:\n\n(\* .*\n)+", ""),
    (r"^\* `([^`]*)`: ", r"* `\1`  \n  "),
    # Below the page's own title.
    (r"^#", "##"),
)


def _command(app: typer.Typer, name: str) -> str:
    command = get_command(app)
    text = get_docs_for_click(obj=command, ctx=typer.Context(command, info_name=name), name=name)
    for before, after in _CHANGES:
        text = re.sub(before, after, text, flags=re.MULTILINE)
    return text


def of_runs() -> str:
    """study/run.py."""
    from study.run import app

    return _command(app, "python study/run.py")


def of_reports() -> str:
    """study/report.py."""
    from study.report import app

    return _command(app, "python study/report.py")


def of_one_run() -> str:
    """nsh, or python -m nsh_core."""
    from nsh_core.__main__ import app

    return _command(app, "nsh")
