"""Times the project beside its references: python benchmarks/run.py [--only NAME] [--quick] [--json PATH]."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import torch
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.cases import LARGEST, SIZES, Case, map_cases, sort_cases, sorted_nce_cases, stacked_cases
from benchmarks.extraction import extraction_cases
from benchmarks.figure import draw
from benchmarks.measure import medians, peak_mb
from nsh_core import cli
from nsh_core.errors import UserError
from nsh_core.sections import ImageConfig

COLUMNS = (
    "name", "n", "bits", "anchors", "device", "reference", "reference_s", "project_s", "ratio",
    "reference_mb", "project_mb", "max_abs_error",
)  # fmt: skip

_BACKBONE = "efficientnet_lite0"

app = typer.Typer(add_completion=False)


def groups(sizes: tuple[int, ...], device: torch.device, quick: bool) -> dict[str, Callable[[], list[Case]]]:
    """The cases by name, made when asked for.

    Args:
        sizes: n of the cases that have several.
        device: Where they run.
        quick: Whether a tenth of the queries, a quarter of the images, has to do.
    """
    queries = 1_000 if quick else 10_000
    return {
        "sorted_nce_softsort": lambda: sorted_nce_cases("softsort", sizes, device),
        "sorted_nce_neuralsort": lambda: sorted_nce_cases("neuralsort", sizes, device),
        "diffsort_odd_even": lambda: sort_cases("diffsort_odd_even", "diffsort.DiffSortNet", sizes, 128, device),
        "diffsort_bitonic": lambda: sort_cases("diffsort_bitonic", "diffsort.DiffSortNet", sizes, 256, device),
        "torchsort": lambda: sort_cases("torchsort", "torchsort.soft_rank, dense kernel", sizes, 512, device),
        "sinkhorn": lambda: sort_cases("sinkhorn", "log space on n x n, unrolled", sizes, 256, device),
        "stacked_seeds": lambda: stacked_cases(device),
        "map_10k_50k": lambda: map_cases(queries, 50_000),
        "extraction": lambda: extraction_cases(64 if quick else 256, device, ImageConfig(backbone=_BACKBONE)),
    }


def measure(case: Case, device: torch.device) -> dict[str, Any]:
    """One line of the table.

    Args:
        case: Both sides of it.
        device: Where it runs.

    Returns:
        A value for each of COLUMNS: seconds, MiB, and the reference's seconds over the project's as ratio.
    """
    works = {"project": case.project} | ({} if case.reference is None else {"reference": case.reference})
    memory = {name: peak_mb(work, device) for name, work in works.items()}
    seconds = medians(works, device)
    reference = seconds.get("reference")
    return {
        "name": case.name, "n": case.n, "bits": case.bits, "anchors": case.anchors, "device": str(device),
        "reference": case.reference_name, "reference_s": reference, "project_s": seconds["project"],
        "ratio": None if reference is None else reference / seconds["project"],
        "reference_mb": memory.get("reference"), "project_mb": memory["project"], "max_abs_error": case.error(),
    }  # fmt: skip


@app.command()
def bench(
    only: Annotated[str | None, typer.Option(help="a case alone, by name")] = None,
    quick: Annotated[bool, typer.Option(help="n of 64 and 128, and a tenth of the queries")] = False,
    output: Annotated[Path | None, typer.Option("--json", help="file for the lines, as JSON, case by case")] = None,
    figure: Annotated[Path | None, typer.Option(help="file for the figure of cost against n")] = None,
    markdown: Annotated[Path | None, typer.Option(help="file for the table, as Markdown")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda")] = "cpu",
) -> int:
    """Time the project and its references in turns, and compare their memory and results."""
    if device not in ("cpu", "cuda") or (device == "cuda" and not torch.cuda.is_available()):
        raise UserError(f"--device must be cpu, or cuda where torch sees it, got {device!r}")
    where = torch.device(device)
    torch.set_flush_denormal(True)
    known = groups(SIZES[:2] if quick else (*SIZES, LARGEST), where, quick)
    if only is not None and only not in known:
        raise UserError(f"--only must be one of {', '.join(known)}, got {only!r}")
    lines = []
    for name in known if only is None else [only]:
        for case in known[name]():
            lines.append(measure(case, where))
            Console(stderr=True).print(f"{case.name}, n = {case.n}: done")
            if output is not None:
                output.write_text(json.dumps(lines, indent=1) + "\n")  # so that nothing is lost if the next one fails
    _show(lines)
    if markdown is not None:
        markdown.write_text(as_markdown(lines))
    if figure is not None:
        draw(lines, figure)
    return 0


def _show(lines: list[dict[str, Any]]) -> None:
    table = Table(*COLUMNS)
    for line in lines:
        table.add_row(*(_cell(line[column]) for column in COLUMNS))
    Console(width=200).print(table)


def as_markdown(lines: list[dict[str, Any]]) -> str:
    """The table in Markdown, without bits, anchors, device and the reference's name.

    Args:
        lines: Of the table.
    """
    columns = [column for column in COLUMNS if column not in ("bits", "anchors", "device", "reference")]
    rows = [columns, ["---"] * len(columns), *([_cell(line[column]) for column in columns] for line in lines)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def main() -> None:
    """Entry point of python benchmarks/run.py."""
    cli.run(app)


if __name__ == "__main__":
    main()
