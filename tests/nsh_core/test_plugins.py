import hashlib

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
        (
            GOOD.replace("made_up", "digits", 1),
            "cannot be used: ValueError: dataset 'digits' is already (registered|digits)",
        ),
        (
            "from nsh_core.registry import METHODS\n@METHODS.register('mine')\nclass Mine:\n    paper = 'none'\n",
            r"cannot be used: ValueError: method 'mine' \(Mine\) lacks Options, search_space$",
        ),
        ("def (", r"SyntaxError: invalid syntax \(bad.py, line 1\)"),
        ("import sys\nsys.exit()", r"bad.py cannot be used: SystemExit$"),
        (
            "from nsh_core.registry import METHODS\n@METHODS.register('made_up')\nclass Mine:\n"
            "    paper, Options, search_space = '', object, None\n",
            "method 'made_up' must be a subclass of DeepMethod or of ShallowMethod, got Mine",
        ),
        (
            "from nsh_core.registry import METHODS\nfrom nsh_core.methods import NSH\n@METHODS.register('made_up')\n"
            "class Mine(NSH):\n    class Options:\n        pass\n",
            "method 'made_up': Options must be a subclass of MethodOptions, got Options",
        ),
        (
            "from nsh_core.measures import measure\n@measure('test_map', 'x')\ndef mine(evidence): return 1\n",
            r"measure 'test_map' is already registered$",
        ),
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


def test_a_name_that_is_taken_is_told_with_who_took_it(tmp_path):
    first, second = tmp_path / "a.py", tmp_path / "b.py"
    first.write_text(GOOD)
    second.write_text(GOOD.replace("return", "yield"))
    plugins.load([str(first)])
    with pytest.raises(UserError, match=rf"b.py cannot .*: dataset 'made_up' is already made_up, by {first}$"):
        plugins.load([str(second)])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "the plug-in '' is neither a file that ends in .py nor a module"),
        (".", "the plug-in '.' is neither a file that ends in .py nor a module"),
        ("my_sorter.txt", "'my_sorter.txt' is neither .*; did you mean 'my_sorter.py'?"),
        (
            "my_sotrer.py",
            "cannot read the plug-in .*my_sotrer.py: No such file or directory; did you mean 'my_sorter.py'",
        ),
        ("./my_sorter", "'./my_sorter' is neither .*; did you mean 'my_sorter.py'?"),
        ("my_sorter", "No module named 'my_sorter'; did you mean 'my_sorter.py'?"),
        ("plain_folder", "the plug-in plain_folder has no Python source: give a .py file, or a package"),
        ("sys", "the plug-in sys has no Python source"),
    ],
)
def test_names_that_are_no_plugin(tmp_path, monkeypatch, name, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "path" / "plain_folder").mkdir(parents=True)
    monkeypatch.syspath_prepend(tmp_path / "path")
    for file in ("my_sorter.py", "my_sorter.txt"):
        (tmp_path / file).write_text("")
    with pytest.raises(UserError, match=message.replace("?", r"\?")):
        plugins.load([name])
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
