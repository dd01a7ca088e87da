"""Writes what pages quote anew: python -m study.reporting.quoted README.md docs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nsh_core import cli
from nsh_core.errors import UserError
from nsh_core.files import write_atomically
from study.reporting.quoted import evaluator, literals, rewritten, vocabulary

app = typer.Typer(add_completion=False)


@app.command()
def quote(
    pages: Annotated[list[Path], typer.Argument(help="files of Markdown, and folders of them")],
    results: Annotated[list[Path], typer.Option(help="folder of tables of studies; repeatable")] = [  # noqa: B006
        Path("results/reference"),
        Path("docs/search/results"),
    ],
    measured: Annotated[Path, typer.Option(help="table of measurements of machines")] = Path("docs/measured.csv"),
    benchmarks: Annotated[Path, typer.Option(help="folder of files of benchmarks")] = Path("docs"),
    check: Annotated[
        bool, typer.Option("--check", help="write nothing; say which pages are not as tables are")
    ] = False,
) -> int:
    """Write the numbers and verdicts in pages as the tables have them.

    Exit code 1: a number is quoted from nothing, a condition of a sentence does not hold or, with --check, a page is
    not as the tables are.
    """
    evaluate = evaluator(vocabulary(results, measured, benchmarks))
    said = []
    for page in pages_in(pages):
        text = page.read_text()
        found = rewritten(text, evaluate, str(page))
        said += [*found.broken, *literals(text, str(page))]
        if found.text != text:
            said += [f"{page}: is not as the tables are: make numbers"] if check else []
            if not check:
                write_atomically(page, found.text)
                print(f"{page}: written anew")
    print(*said, sep="\n", end="\n" if said else "")
    return 1 if said else 0


def pages_in(paths: list[Path]) -> list[Path]:
    """The pages that paths name, each once.

    Args:
        paths: Files, and folders of files that end in .md.

    Raises:
        UserError: There is no such file.
    """
    if missing := [str(path) for path in paths if not path.exists()]:
        raise UserError(f"there is no page {missing[0]}")
    return list(
        dict.fromkeys(page for path in paths for page in (sorted(path.rglob("*.md")) if path.is_dir() else [path]))
    )


if __name__ == "__main__":
    cli.run(app)
