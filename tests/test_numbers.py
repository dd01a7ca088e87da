"""Every number and verdict in README and docs is that of the committed tables."""

import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from study.analysis.verify import TOLERANCE
from study.reporting.quoted import evaluator, literals, rewritten, vocabulary
from study.reporting.quoted.__main__ import pages_in

ROOT = Path(__file__).parents[1]
PAGES = pages_in([ROOT / "README.md", ROOT / "docs"])


@pytest.fixture(scope="module")
def evaluate(without_plugins):
    results = [ROOT / "results" / "reference", ROOT / "docs" / "search" / "results"]
    return evaluator(vocabulary(results, ROOT / "docs" / "measured.csv", ROOT / "docs"))


def test_intervals_over_queries_are_those_of_a_clone():
    """AP of queries that git ignores would give other numbers here than elsewhere."""
    if not (ROOT / ".git").exists():
        pytest.skip("no checkout")
    command = ["git", "ls-files", "--others", "--ignored", "--exclude-standard", "--", "results/reference"]
    ignored = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    assert [path for path in ignored if path.endswith("per_query.parquet")] == []


@pytest.mark.slow(6)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_quotes_is_in_the_tables(page, evaluate):
    text = page.read_text()
    found = rewritten(text, evaluate, str(page.relative_to(ROOT)))
    assert found.text.splitlines() == text.splitlines(), "make numbers writes what pages quote"
    assert found.broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_number_that_looks_measured_is_typed_by_hand(page):
    assert literals(page.read_text(), str(page.relative_to(ROOT))) == []


def test_what_is_said_of_processors_of_two_makers_is_what_their_trials_say(evaluate):
    trials = pd.read_csv(ROOT / "docs/measured/makers_trials.csv")
    of_part = trials.groupby("part", sort=False)
    moved = np.maximum(*((trials[f"{name}_amd"] - trials[f"{name}_intel"]).abs() for name in ("val_map", "test_map")))
    means = trials.groupby(["part", "arm"], sort=False)[["test_map_intel", "test_map_amd"]].mean()
    shifts = (means.test_map_amd - means.test_map_intel).abs()
    told = pd.read_csv(ROOT / "docs/measured/makers.csv", index_col="part")
    assert told.trials.to_dict() == of_part.size().to_dict()
    same = (trials.codes_amd == trials.codes_intel).groupby(trials.part).sum()
    assert told["of them the same codes"].to_dict() == same.to_dict()
    for column, found in (("a trial moved by up to, mAP", moved.groupby(trials.part).max()),
                          ("the mean of an arm by up to, test mAP", shifts.groupby("part").max())):  # fmt: skip
        assert {part: f"{value:.2g}" for part, value in told[column].items()} == {
            part: f"{value:.2g}" for part, value in found.items()
        }
    assert evaluate("measured('makers_trials')", "here") == f"{len(trials)} trials"
    assert evaluate("measured('makers_above')", "here") == f"{(moved > 0.01).sum()} of {len(trials)} trials"
    assert float(evaluate("measured('makers_moved')", "here")) == pytest.approx(moved.max(), abs=0.0005)
    assert float(evaluate("measured('makers_mean')", "here")) == pytest.approx(shifts.max(), abs=0.00005)
    assert moved.max() < TOLERANCE


def test_every_measurement_is_quoted():
    """A row or a table that no page quotes is a leftover."""
    text = "".join(page.read_text() for page in PAGES)
    rows = (ROOT / "docs" / "measured.csv").read_text().splitlines()[1:]
    ids = [row.partition(",")[0] for row in rows]
    assert [one for one in ids if f"measured('{one}'" not in text and f"measured_table('{one}')" not in text] == []
    tables = {f"{path.stem}" for path in (ROOT / "docs" / "measured").glob("*.csv")}
    assert tables <= set(ids)
