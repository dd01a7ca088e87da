"""CSV files that spreadsheets open: text that one would take for a formula stands behind an apostrophe."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

# An apostrophe is among them, so that what is read is what was written.
_TAKEN_FOR_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")


def csv_text(table: pd.DataFrame) -> str:
    """A table as CSV, without its index.

    Args:
        table: Of numbers and text.
    """
    texts = table.select_dtypes(["object", "string"])
    return table.assign(**{str(name): _safe(texts[name]) for name in texts}).to_csv(index=False)


def read_csv(path: Path, text: list[str]) -> pd.DataFrame:
    """A table that csv_text wrote.

    Args:
        path: Of the file.
        text: Columns of text, which stays text whatever it reads like.

    Raises:
        ValueError: The file is damaged.
        OSError: It cannot be read.
    """
    table = pd.read_csv(path, dtype=dict.fromkeys(text, "str"), keep_default_na=False, na_values=[""])
    return table.assign(**{name: table[name].str.removeprefix("'") for name in text})


def _safe(column: pd.Series) -> pd.Series:
    # Most columns of very many cells hold no such text.
    if isinstance(column.dtype, pd.StringDtype) and not column.str.startswith(_TAKEN_FOR_A_FORMULA, na=False).any():
        return column
    return column.map(_escaped)


def _escaped(cell: object) -> object:
    return (
        f"'{cell}" if isinstance(cell, str) and cell.startswith(_TAKEN_FOR_A_FORMULA) and not _is_number(cell) else cell
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
