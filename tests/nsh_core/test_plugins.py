import hashlib
import re

import pytest

from nsh_core import UserError, plugins
from nsh_core.registry import DATASETS
from tests.study.commands import in_a_fork

GOOD = """
from nsh_core.registry import DATASETS

@DATASETS.register("made_up")
def made_up(argument):
    raise AssertionError(argument)
"""


METHOD_THAT_IS_NONE = """
from nsh_core.methods import MethodOptions
from nsh_core.registry import METHODS

@METHODS.register("mine")
class Mine:
    paper, Options, search_space = "none", MethodOptions, None
"""


def measure_with(arguments: str) -> str:
    return f"from nsh_core.measures import measure\n@measure({arguments})\ndef mine(evidence):\n    return 1.0\n"


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    """What a test loads is no other test's."""
    monkeypatch.setattr(plugins, "_loaded", {})
    yield
    if "made_up" in DATASETS:
        DATASETS.unregister("made_up")


def test_a_file_is_loaded_once_and_known_by_its_content(tmp_path):
    file = tmp_path / "made_up_data.py"
    file.write_text(GOOD)
    plugins.load([str(file), str(file)])
    assert "made_up" in DATASETS
    [plugin] = plugins.loaded()
    assert plugin.is_file
    assert plugins.digests() == {str(file): hashlib.sha256(GOOD.encode()).hexdigest()[:12]}
    assert plugins.digest_of(file) == plugin.digest


def test_another_process_needs_no_file(tmp_path):
    plugins.receive([plugins.Plugin(str(tmp_path / "elsewhere.py"), GOOD)])
    assert "made_up" in DATASETS


def test_a_module_is_a_plugin_too(tmp_path, monkeypatch):
    (tmp_path / "made_up_module.py").write_text(GOOD)
    monkeypatch.syspath_prepend(tmp_path)
    plugins.load(["made_up_module"])
    assert "made_up" in DATASETS
    assert not plugins.loaded()[0].is_file
    # A file that a notebook imported by itself does not register twice.
    plugins.load([str(tmp_path / "made_up_module.py")])
    assert len(plugins.loaded()) == 2


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (None, "cannot read the plug-in .*bad.py: No such file"),
        ("import no_such_package", "bad.py cannot be used: ModuleNotFoundError: No module named 'no_such_package'"),
        ("def (", "bad.py cannot be used: SyntaxError"),
        (GOOD.replace("made_up", "digits", 1), "cannot be used: ValueError: dataset 'digits' is already _digits"),
        (
            "from nsh_core.registry import METHODS\n@METHODS.register('mine')\nclass Mine:\n    paper = 'none'\n",
            r"cannot be used: ValueError: method 'mine' \(Mine\) lacks Options, search_space; a method has paper",
        ),
        (METHOD_THAT_IS_NONE, "method 'mine' must be a subclass of DeepMethod or of ShallowMethod, got Mine"),
        ("import sys\nsys.exit(0)", "bad.py cannot be used: SystemExit: 0"),
        (measure_with("'test_map', 'x'"), "measure 'test_map' is already"),
        (measure_with("'mine', 'gap {foo} }'"), "'gap {foo} }' must be text with no braces but {map} and {cut}"),
        (measure_with("'mine', 'x', better='hihger'"), "one of higher, lower, got 'hihger'; did you mean 'higher'?"),
        (measure_with("'mine', 'x', shown=('tabel',)"), "got 'tabel'; did you mean 'table'?"),
        (measure_with("'mine', 'x', shown='table'"), "shown must be a tuple of some of .*, got 'table'"),
    ],
)
def test_what_cannot_be_used_is_one_line(tmp_path, source, message):
    file = tmp_path / "bad.py"
    if source is not None:
        file.write_text(source)
    with pytest.raises(UserError, match=message) as caught:
        plugins.load([str(file)])
    assert "\n" not in str(caught.value)
    assert plugins.loaded() == []


@pytest.mark.parametrize(
    "command", [["run.py", "--study", "loss_terms"], ["report.py", "--study", "x"], ["nsh_core", "train"]]
)
def test_every_command_line_says_so_with_exit_code_2(tmp_path, command):
    (tmp_path / "bad.py").write_text("1 / 0")
    script, *options = command
    result = in_a_fork(script, [*options, "--plugin", tmp_path / "bad.py"])
    assert result.returncode == 2
    assert result.stderr.startswith("error: the plug-in ")
    assert "ZeroDivisionError: division by zero" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "the plug-in '' is neither a file that ends in .py nor a module"),
        (".", "the plug-in '.' is neither"),
        ("mine.txt", "the plug-in 'mine.txt' is neither a file that ends in .py nor a module; did you mean 'mine.py'?"),
        ("folder", "the plug-in folder has no Python source"),
    ],
)
def test_what_is_no_plugin_is_told_by_its_name(tmp_path, monkeypatch, name, message):
    (tmp_path / "mine.py").write_text(GOOD)
    (tmp_path / "mine.txt").write_text(GOOD)
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match=re.escape(message)):
        plugins.load([name])


@pytest.mark.parametrize(
    ("value", "reason"),
    [("{}['hey']", "measure 'mine' failed: KeyError: 'hey'"), ("'abc'", "measure 'mine' must give a number or None")],
)
def test_a_measure_that_fails_is_named(tmp_path, value, reason):
    (tmp_path / "own.py").write_text(measure_with("'mine', 'x'").replace("return 1.0", f"return {value}"))
    result = in_a_fork("nsh_core", ["train", "--plugin", tmp_path / "own.py", "--set", "train.epochs=1"])
    assert result.returncode == 2
    assert reason in result.stderr
    assert "Traceback" not in result.stderr


def test_a_value_that_is_not_finite_is_missing(tmp_path):
    (tmp_path / "own.py").write_text(measure_with("'mine', 'x'").replace("return 1.0", "return float('inf')"))
    result = in_a_fork("nsh_core", ["train", "--plugin", tmp_path / "own.py", "--set", "train.epochs=1"])
    assert result.returncode == 0, result.stderr
    assert "test_map: " in result.stdout
    assert "mine: " not in result.stdout


def test_a_sorter_of_ones_own_trains_by_the_command(tmp_path):
    (tmp_path / "own.py").write_text(
        "from nsh_core.registry import SORTERS\nfrom nsh_core.sorters.softsort import SoftSort\n\n\n"
        "@SORTERS.register('own')\nclass Own(SoftSort):\n    default_temperature = 2.0\n"
    )
    options = ["--plugin", tmp_path / "own.py", "--set", "sorter.name=own", "--set", "train.epochs=1"]
    made = in_a_fork("nsh_core", ["train", *options, "--out", tmp_path / "m"])
    assert made.returncode == 0, made.stderr
    again = in_a_fork("nsh_core", ["evaluate", "--model", tmp_path / "m", *options[:2]])
    assert again.returncode == 0, again.stderr
    without = in_a_fork("nsh_core", ["evaluate", "--model", tmp_path / "m"])
    assert without.returncode == 2
    assert "unknown sorter 'own', known: softsort" in without.stderr
