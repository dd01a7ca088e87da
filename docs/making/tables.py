"""The files that a study writes, column by column."""

from __future__ import annotations

from docs.making.docstrings import described
from docs.making.grids import code, grid, plain
from study.analysis.columns import FILES
from study.analysis.run_facts import RunFacts


def files() -> str:
    """Every table and its columns."""
    return "\n\n".join(
        f"## {file}\n\n{plain(table.about)}\n\n{grid(('column', 'what it is'), _rows(table.columns))}"
        for file, table in FILES.items()
    )


def run_facts() -> str:
    """What run.json holds."""
    return grid(("name", "what it is"), _rows(described(RunFacts, "attributes")))


def _rows(described: dict[str, str]) -> list[tuple[str, str]]:
    return [(code(name), plain(told)) for name, told in described.items()]
