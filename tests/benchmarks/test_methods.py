from benchmarks import methods as table_of_methods
from nsh_core import methods


def test_every_method_has_a_row_and_each_deep_one_a_time(digits, monkeypatch):
    monkeypatch.setattr(table_of_methods, "_ROUNDS", 1)
    head, _, *rows = table_of_methods.table(digits).splitlines()
    cells = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in (head, *rows)]
    assert cells[0] == ["method", "paper", "learns from", "ms a step"]
    assert [row[0] for row in cells[1:]] == list(methods.names())
    assert {row[0] for row in cells[1:] if row[3] == "closed form"} == {
        name for name in methods.names() if issubclass(methods.method(name), methods.ShallowMethod)
    }
    assert all(float(row[3]) > 0 for row in cells[1:] if row[3] != "closed form")
