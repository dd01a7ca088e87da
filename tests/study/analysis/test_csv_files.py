import pandas as pd
import pytest

from study.analysis.csv_files import csv_text, read_csv

NAMES = [
    "None",
    "NA",
    "null",
    "nan",
    "512",
    "-0.5",
    "=1+1",
    "+x",
    "-x",
    "@y",
    "\tz",
    "x'y",
    "'q",
    "a|b",
    "[/b]",
    'a,"b',
]


def test_text_that_a_spreadsheet_takes_for_a_formula_is_escaped_and_read_back(tmp_path):
    table = pd.DataFrame({"arm": NAMES, "value": [-1.5, float("nan")] * 8, "left out": [None] * 16})
    (tmp_path / "t.csv").write_text(csv_text(table), newline="")
    raw = pd.read_csv(tmp_path / "t.csv", dtype=str, keep_default_na=False)
    begins = [text for text in raw.arm if text[0] in "=+-@\t\r"]
    assert begins == ["-0.5"]
    assert list(raw.value[:2]) == ["-1.5", ""]
    found = read_csv(tmp_path / "t.csv", ["arm"])
    assert list(found.arm) == NAMES
    pd.testing.assert_series_equal(found.value, table.value)


def test_tables_of_plain_names_are_as_pandas_writes_them():
    table = pd.DataFrame({"arm": ["a", "b-c"], "n": [1, 2], "x": [0.1, -2e-9], "tuned": ["{}", None]})
    assert csv_text(table) == table.to_csv(index=False)


def test_a_damaged_file_is_a_value_error(tmp_path):
    (tmp_path / "t.csv").write_text('a,b\n"1')
    with pytest.raises(ValueError, match="EOF"):
        read_csv(tmp_path / "t.csv", [])
