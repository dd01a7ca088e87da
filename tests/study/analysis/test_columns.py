"""Every column that a study writes is described."""

import json

import pandas as pd
import pytest

from docs.making.docstrings import described
from study.analysis.columns import FACTOR, FILES
from study.analysis.run_facts import RunFacts
from tests.study.commands import ROOT

REFERENCE = ROOT / "results" / "reference" / "sorter_ablation"


def columns_of(file: str) -> dict[str, str]:
    [table] = [table for names, table in FILES.items() if file in names.split(", ")]
    return table.columns


def written(path) -> list[str]:
    table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    return [FACTOR if name.startswith("factor_") else name for name in table]


def test_of_a_run(undisturbed):
    files = [path for path in (undisturbed / "tiny").iterdir() if path.suffix in (".csv", ".parquet")]
    assert {path.name for path in files} == {
        "trials.csv", "trials.parquet", "summary.csv", "comparisons.csv", "curves.parquet", "per_query.parquet",
        "classes.csv",
    }  # fmt: skip
    for path in files:
        assert list(dict.fromkeys(written(path))) == list(columns_of(path.name)), path.name


@pytest.mark.parametrize(
    "path", [REFERENCE / "cost.csv", ROOT / "reports" / "reference" / "sorter_ablation" / "across.csv"]
)
def test_of_what_is_measured_or_compared_afterwards(path):
    assert written(path) == list(columns_of(path.name))


def test_of_run_json(undisturbed):
    facts = json.loads((undisturbed / "tiny" / "run.json").read_text())
    assert list(facts) == list(described(RunFacts, "attributes"))
