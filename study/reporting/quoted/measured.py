"""Measurements of machines, which a person took by a command and wrote down, and what others have measured or fixed."""

from __future__ import annotations

import csv
import importlib
from pathlib import Path

from nsh_core.config import make_config
from nsh_core.errors import UserError
from nsh_core.registry import listed, nearest
from nsh_core.settings import dotted
from study.reporting.quoted.markdown import table

COLUMNS = ("id", "value", "unit", "what", "command", "date", "machine", "commit")


class Measured:
    """Quotes a table of measurements.

    Args:
        path: A CSV file of COLUMNS, a row a measurement. The value of one that is a table itself names its CSV file,
            from the folder of this one.
    """

    def __init__(self, path: Path) -> None:
        self._folder = path.parent
        self._rows: dict[str, dict[str, str]] = {}
        with path.open(newline="") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise UserError(
                    f"{path} must have the columns {listed(COLUMNS)}, got {listed(reader.fieldnames or ())}"
                )
            for row in reader:
                if row["id"] in self._rows:
                    raise UserError(f"{path}:{reader.line_num}: {row['id']} stands there twice")
                if lacking := [name for name in COLUMNS if name != "unit" and not row[name]]:
                    raise UserError(f"{path}:{reader.line_num}: {row['id'] or 'a row'} has no {listed(lacking)}")
                self._rows[row["id"]] = row

    def measured(self, id: str, unit: bool = True) -> str:
        """A measurement with its unit.

        Args:
            id: Of its row.
            unit: Whether the unit is part of it.
        """
        row = self._row(id)
        return f"{row['value']} {row['unit']}" if unit and row["unit"] else row["value"]

    def measured_table(self, id: str) -> str:
        """A table of measurements.

        Args:
            id: Of its row.
        """
        path = self._folder / self._row(id)["value"]
        if not path.is_file():
            raise UserError(f"there is no table {path}")
        with path.open(newline="") as file:
            columns, *rows = csv.reader(file)
        return table(columns, rows)

    def _row(self, id: str) -> dict[str, str]:
        if id not in self._rows:
            raise UserError(f"there is no measurement {id!r}{nearest(id, self._rows)}, known: {listed(self._rows)}")
        return self._rows[id]


def given(text: str, source: str) -> str:
    """A number that is somebody else's, or a limit that is no measurement.

    Args:
        text: As it reads.
        source: The paper that it is from, or why it is what it is: for whoever reads the page's source.
    """
    if not source.strip():
        raise UserError(f"{text!r} needs a source")
    return text


def setting(name: str) -> str:
    """The default of a setting.

    Args:
        name: Its dotted name.
    """
    known = dotted(make_config({}).model_dump(mode="json"))
    if name not in known:
        raise UserError(f"there is no setting {name!r}{nearest(name, known)}")
    value = known[name]
    return f"{value:g}" if isinstance(value, float) else str(value)


def constant(module: str, name: str, unit: str = "") -> str:
    """A number that the code fixes.

    Args:
        module: Its module.
        name: Of the constant in it.
        unit: What follows it.
    """
    try:
        value = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise UserError(f"there is no such constant: {error}") from None
    if not isinstance(value, int | float):
        raise UserError(f"{module}.{name} must be a number, got {type(value).__name__}")
    return f"{value:,g}{f' {unit}' if unit else ''}"
