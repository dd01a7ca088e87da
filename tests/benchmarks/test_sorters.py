import pytest

from benchmarks.independent import MATRICES
from benchmarks.sorters import differences, table
from nsh_core import sorters


@pytest.mark.parametrize("name", sorters.names())
def test_each_sorter_is_its_independent_computation(name):
    of_matrix, of_gradient = differences(name)
    assert of_matrix < 1e-9
    assert name == "argsort" if of_gradient is None else of_gradient < 1e-7


def test_the_table_has_a_row_for_each_sorter_with_its_paper(monkeypatch):
    monkeypatch.setattr("benchmarks.sorters.differences", lambda name: (0.0, None))
    rows = table((8,)).splitlines()
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows[2:]] == [*MATRICES]
    assert set(MATRICES) == set(sorters.names())
    assert all(row.count("|") == rows[0].count("|") for row in rows)
    assert "Rolinek et al." in next(row for row in rows if "blackbox" in row)
