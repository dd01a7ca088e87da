"""Times the project beside its references, or beside another commit: python benchmarks/run.py [--against REV]."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import torch
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.against import commit_named, rows_against
from benchmarks.cases import Case, groups
from benchmarks.figure import draw
from benchmarks.goals import Row, compared
from benchmarks.history import HISTORY, new_run, read, rows_of, write
from benchmarks.measure import medians, peak_mb
from nsh_core import cli
from nsh_core.errors import UserError

COLUMNS = (
    "name", "n", "bits", "anchors", "device", "reference", "reference_s", "project_s", "ratio",
    "reference_mb", "project_mb", "max_abs_error",
)  # fmt: skip
_AGAINST = ("name", "n", "device", "against_s", "project_s", "faster", "low", "high", "rounds")

app = typer.Typer(add_completion=False)


def measure(case: Case, device: torch.device) -> Row:
    """One line of the table.

    Args:
        case: Both sides of it.
        device: Where it runs.

    Returns:
        A value for each of COLUMNS: seconds, MiB, and the reference's seconds over the project's as ratio.
    """
    works = {"project": case.project} | ({} if case.reference is None else {"reference": case.reference})
    memory = {name: peak_mb(work, device) for name, work in works.items()} if case.here else {}
    seconds = medians(works, device)
    reference = seconds.get("reference")
    return {
        "name": case.name, "n": case.n, "bits": case.bits, "anchors": case.anchors or case.n, "device": str(device),
        "reference": case.reference_name, "reference_s": reference, "project_s": seconds["project"],
        "ratio": None if reference is None else reference / seconds["project"],
        "reference_mb": memory.get("reference"), "project_mb": memory.get("project"), "max_abs_error": case.error(),
    }  # fmt: skip


@app.command()
def bench(
    only: Annotated[list[str] | None, typer.Option(help="cases alone, by name, once for each")] = None,
    quick: Annotated[bool, typer.Option(help="n of 64 and 128, and a tenth of the queries")] = False,
    against: Annotated[str | None, typer.Option(help="a commit that runs in turns with this checkout")] = None,
    output: Annotated[Path | None, typer.Option("--json", help="file of runs that this one is added to")] = None,
    figure: Annotated[
        Path | None, typer.Option(help="file for the figure of that file's runs, else of this one")
    ] = None,
    markdown: Annotated[Path | None, typer.Option(help="file for the table, as Markdown")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda")] = "cpu",
) -> int:
    """Time the project and its references, or another commit, in turns; say which goals are met."""
    if device not in ("cpu", "cuda") or (device == "cuda" and not torch.cuda.is_available()):
        raise UserError(f"--device must be cpu, or cuda where torch sees it, got {device!r}")
    where = torch.device(device)
    torch.set_flush_denormal(True)
    known = groups(where, quick)
    for name in only or ():
        if name not in known:
            raise UserError(f"--only must be one of {', '.join(known)}, got {name!r}")
    names = only or list(known)
    commit = None if against is None else commit_named(against)
    earlier = read(output or HISTORY)
    run = new_run(where, commit)
    say = Console(stderr=True, highlight=False, soft_wrap=True).print
    if commit is None:
        found: Iterable[Row] = (measure(case, where) for name in names for case in known[name]())
    else:
        found = rows_against(commit, names, where, quick, say)
    for row in found:
        run["rows"].append(row)
        say(f"{row['name']}, n = {row['n']}: done")
        if output is not None:
            write(output, [*earlier, run])  # so that nothing is lost if the next one fails
    _show(run, earlier)
    if markdown is not None:
        markdown.write_text(as_markdown(run["rows"], COLUMNS if commit is None else _AGAINST))
    if figure is not None:
        draw([*earlier, run] if output is not None else [run], figure)
    return 0


def _show(run: dict[str, Any], earlier: list[dict[str, Any]]) -> None:
    rows, print_ = run["rows"], Console(width=200).print
    columns = _AGAINST if "against" in run else COLUMNS
    print_(_table(columns, [[_cell(row[column]) for column in columns] for row in rows]))
    if "against" in run:
        before = [row | {"project_s": row["against_s"]} for row in rows]
    else:
        before = rows_of([one for one in earlier if one["device"] == run["device"]])
    if goals := compared(before, rows):
        print_(_table(("case", "n", "goal", "before", "after", "met"), goals))


def _table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> Table:
    table = Table(*columns)
    for row in rows:
        table.add_row(*row)
    return table


def as_markdown(rows: list[Row], columns: Iterable[str]) -> str:
    """The table in Markdown, without bits, anchors, device and the reference's name.

    Args:
        rows: Of the table.
        columns: Of each row.
    """
    shown = [column for column in columns if column not in ("bits", "anchors", "device", "reference")]
    lines = [shown, ["---"] * len(shown), *([_cell(row[column]) for column in shown] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def main() -> None:
    """Entry point of python benchmarks/run.py."""
    cli.run(app)


if __name__ == "__main__":
    main()
