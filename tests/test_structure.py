"""The shape of the two packages: no circle of files, rooms in order, private parts of Optuna in one file."""

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from nsh_core.measures import MEASURES

ROOT = Path(__file__).parents[1]
ROOMS = ["plan", "storage", "execution", "analysis", "reporting"]
LONGEST = 300


def files() -> dict[str, Path]:
    """Every module of the two packages by name."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for package in ("nsh_core", "study")
        for path in (ROOT / package).rglob("*.py")
    }


def imports() -> dict[str, set[str]]:
    """Module to the modules that it names in an import anywhere in it."""
    known = files()
    graph: dict[str, set[str]] = {}
    for name, path in known.items():
        named: set[str] = set()
        stub = path.with_suffix(".pyi")
        source = path.read_text() + (stub.read_text() if stub.exists() else "")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                named |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: relative import"
                for alias in node.names:
                    inner = f"{node.module}.{alias.name}"
                    named.add(inner if inner in known else node.module or "")
        graph[name] = {one for one in named if one in known} - {name}
    return graph


def test_no_circle_of_files():
    # Raises CycleError with the circle.
    assert list(TopologicalSorter(imports()).static_order())


def test_the_graph_sees_a_circle():
    with pytest.raises(ValueError, match="nodes are in a cycle"):
        list(TopologicalSorter(imports() | {"nsh_core.errors": {"nsh_core.config"}}).static_order())


def room(name: str) -> int | None:
    """Place of a module of study among the rooms; none for the ground floor, doors last."""
    parts = name.split(".")
    if parts[0] != "study" or parts[1:2] in ([], ["registry"]):
        return None
    return ROOMS.index(parts[1]) if parts[1] in ROOMS else len(ROOMS)


def test_no_room_imports_a_later_one_and_the_core_knows_no_study():
    for name, named in imports().items():
        for other in named:
            assert not (name.startswith("nsh_core") and other.startswith("study")), (name, other)
            here, there = room(name), room(other)
            assert here is None or there is None or there <= here, f"{name} imports {other}"


def test_nothing_hides_behind_type_checking():
    assert [name for name, path in files().items() if "TYPE_CHECKING" in path.read_text()] == []


def test_optunas_private_parts_are_touched_in_two_files():
    private = re.compile(r"\._(storage|study_id|trial_id|contains|get_trials|create_new_trial)\b")
    touching = {name for name, path in files().items() if private.search(path.read_text())}
    assert touching == {"study.storage.optuna_internals", "study.storage.optuna_database"}


def test_files_are_short():
    lengths = {name: len(path.read_text().splitlines()) for name, path in files().items()}
    assert {name: length for name, length in lengths.items() if length >= LONGEST} == {}


def test_there_is_one_list_of_measures():
    """No other file holds four and more names of measures in one collection."""
    known = set(MEASURES.names())
    for name, path in files().items():
        if name.startswith("nsh_core.measures"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.List, ast.Tuple, ast.Set, ast.Dict)):
                members = node.keys if isinstance(node, ast.Dict) else node.elts
                named = {one.value for one in members if isinstance(one, ast.Constant) and one.value in known}
                assert len(named) < 4, (name, sorted(named))
