from importlib.metadata import EntryPoint, EntryPoints

import pytest

from nsh_core import UserError
from nsh_core.registry import BACKBONES, DATASETS, METHODS, SORTERS, Registry, listed
from nsh_core.sorters import Sorter
from nsh_core.sorters.softsort import SoftSort


@pytest.fixture
def animals() -> Registry:
    registry: Registry = Registry("animal", ("legs",))
    registry.register("cat", Cat)
    registry.register("spider", Spider)
    return registry


class Cat:
    legs = 4


class Spider:
    legs = 8


def test_names_in_a_line_are_in_quotes_where_one_holds_a_comma():
    assert listed(["a", "b c"]) == "a, b c"
    assert listed(["a, 1", "b"]) == "'a, 1', 'b'"


def test_entries_are_registered_by_name_and_by_decorator(animals):
    @animals.register("crab")
    class Crab:
        legs = 10

    assert animals.names() == ["cat", "spider", "crab"]
    assert animals["crab"] is Crab
    assert "crab" in animals
    animals.unregister("crab")
    assert "crab" not in animals


def test_a_second_registration_under_one_name_is_refused(animals):
    animals.register("cat", Cat)
    with pytest.raises(ValueError, match="animal 'cat' is already Cat"):
        animals.register("cat", Spider)
    assert animals["cat"] is Cat


def test_a_lookup_lists_what_is_known_and_the_nearest_name(animals):
    animals.register("dog", Cat, usage="dog:BREED")
    with pytest.raises(UserError) as caught:
        animals["spidr"]
    assert str(caught.value) == "unknown animal 'spidr', known: cat, spider, dog:BREED; did you mean 'spider'?"
    with pytest.raises(UserError) as caught:
        animals["xyz"]
    assert str(caught.value) == "unknown animal 'xyz', known: cat, spider, dog:BREED"


def test_what_lacks_something_is_refused_and_forgotten(animals):
    with pytest.raises(ValueError, match=r"animal 'snake' \(Snake\) lacks legs$"):

        @animals.register("snake")
        class Snake:
            pass

    assert "snake" not in animals


def test_an_object_is_called_by_its_type(animals):
    with pytest.raises(ValueError, match=r"animal 'thing' \(object\) lacks legs"):
        animals.register("thing", object())


def test_a_demand_holds_for_what_is_registered_and_for_what_comes(animals):
    def even(name, entry):
        if entry.legs % 4:
            raise ValueError(f"{name} limps")

    animals.demand(even)
    with pytest.raises(ValueError, match="bee limps"):
        animals.register("bee", type("Bee", (), {"legs": 6}))
    assert "bee" not in animals
    Cat.legs = 3
    try:
        with pytest.raises(ValueError, match="cat limps"):
            animals.demand(even)
    finally:
        Cat.legs = 4


def test_an_abstract_class_lacks_its_methods():
    class Half(Sorter):
        default_temperature = 1.0
        search_range = (0.1, 1.0)

    with pytest.raises(ValueError, match=r"sorter 'half' \(Half\) lacks permutation"):
        SORTERS.register("half", Half)
    assert "half" not in SORTERS.names()


def test_a_lazy_entry_is_imported_when_it_is_asked_for():
    registry: Registry = Registry("sorter", ("search_range",))
    registry.register("soft", "nsh_core.sorters.softsort:SoftSort")
    registry.register("wrong", "nsh_core.errors:UserError")
    assert registry["soft"] is SoftSort
    with pytest.raises(ValueError, match="lacks search_range"):
        registry["wrong"]


def installed(monkeypatch, *points: tuple[str, str]) -> None:
    made = EntryPoints(EntryPoint(name, value, "nsh.animals") for name, value in points)
    monkeypatch.setattr("nsh_core.registry._entry_points", lambda: made)


def test_entry_points_of_installed_packages_are_known(animals, monkeypatch):
    installed(
        monkeypatch, ("worm", f"{__name__}:Cat"), ("broken", "no_such_module:x"), ("wrong", "nsh_core.errors:UserError")
    )
    assert animals.names() == ["cat", "spider", "worm", "broken", "wrong"]
    assert animals["worm"].legs == 4
    with pytest.raises(
        UserError, match=r"animal 'broken', entry point no_such_module:x, cannot be used: ModuleNotFound"
    ):
        animals["broken"]
    with pytest.raises(
        UserError, match=r"animal 'wrong', .* cannot be used: ValueError: animal 'wrong' \(UserError\) lacks"
    ):
        animals["wrong"]


def test_a_package_does_not_take_a_name_in_silence(animals, monkeypatch):
    installed(monkeypatch, ("cat", f"{__name__}:Spider"), ("worm", f"{__name__}:Cat"), ("worm", f"{__name__}:Spider"))
    with pytest.raises(UserError, match=r"animal 'cat' is both .*:Spider and Cat: uninstall one"):
        animals["cat"]
    with pytest.raises(UserError, match=r"animal 'worm' is both .*:Cat and .*:Spider: uninstall one"):
        animals["worm"]


def test_the_groups_of_entry_points():
    assert [registry.group for registry in (SORTERS, METHODS, DATASETS, BACKBONES)] == [
        "nsh.sorters", "nsh.methods", "nsh.datasets", "nsh.backbones",
    ]  # fmt: skip
