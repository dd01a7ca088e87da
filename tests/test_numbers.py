"""Every number and verdict in README and docs is that of the committed tables."""

import subprocess
from pathlib import Path

import pytest

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


def test_every_measurement_is_quoted():
    """A row or a table that no page quotes is a leftover."""
    text = "".join(page.read_text() for page in PAGES)
    rows = (ROOT / "docs" / "measured.csv").read_text().splitlines()[1:]
    ids = [row.partition(",")[0] for row in rows]
    assert [one for one in ids if f"measured('{one}'" not in text and f"measured_table('{one}')" not in text] == []
    tables = {f"{path.stem}" for path in (ROOT / "docs" / "measured").glob("*.csv")}
    assert tables <= set(ids)
