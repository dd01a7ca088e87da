"""The commands that an installation brings, where the working folder holds modules of their packages' names."""

import os
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint

import pandas as pd
import pytest

from tests.study.commands import ONE_THREAD, ROOT, outcome

SCRIPTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]


def test_each_script_has_its_door():
    assert set(SCRIPTS) == {"nsh", "nsh-report", "nsh-study"}
    assert all(callable(EntryPoint(name, door, "console_scripts").load()) for name, door in SCRIPTS.items())


@pytest.mark.parametrize("door", SCRIPTS.values())
def test_help_comes_at_once(door):
    """What imports nothing slow takes a third of a second."""
    module, _, function = door.partition(":")
    slow = "{'torch', 'numpy', 'pandas', 'scipy', 'optuna', 'pydantic', 'sqlalchemy', 'matplotlib', 'numba'}"
    code = (
        f"import sys\nfrom {module} import {function}\nsys.argv = ['door', '--help']\n"
        f"try:\n    {function}()\nfinally:\n    assert not {slow} & set(sys.modules)\n"
    )
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "--help" in told.stdout


def test_a_report_is_written_without_torch(undisturbed, tmp_path):
    command = [sys.executable, "-X", "importtime", str(ROOT / "study" / "report.py"), "--study", "tiny"]
    folders = ["--results", str(undisturbed), "--reports", str(tmp_path)]
    written = subprocess.run([*command, *folders], cwd=ROOT, capture_output=True, text=True, check=True)
    imported = {line.rpartition("|")[2].strip() for line in written.stderr.splitlines()}
    assert "study.reporting.document" in imported
    assert not imported & {"torch", "numba"}


def test_the_tables_of_a_study_are_read_without_the_imports_of_figures_and_statistics():
    """What run.py has at its end, where nothing is left to run."""
    slow = "{'scipy.stats', 'matplotlib', 'seaborn'}"
    code = f"import sys, study.outcome, study.interface\nassert not {slow} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.slow(9)
def test_scripts_and_their_workers_take_no_module_of_the_working_folder(undisturbed, tmp_path):
    """A script lies in a folder of its own, which is all that Python puts on the path of its process."""
    (tmp_path / "bin").mkdir()
    module, _, function = SCRIPTS["nsh-study"].partition(":")
    script = tmp_path / "bin" / "nsh-study"
    script.write_text(f"import sys\nfrom {module} import {function}\nsys.exit({function}())\n")
    here = tmp_path / "here"
    here.mkdir()
    for package in ("study", "nsh_core"):
        (here / f"{package}.py").write_text("raise RuntimeError('a module of the working folder')\n")
    spec = undisturbed.parent / "tiny.yaml"
    command = [sys.executable, str(script), "--study", str(spec), "--jobs", "1"]
    environment = os.environ | ONE_THREAD | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pd.testing.assert_frame_equal(outcome(here / "results" / "tiny"), outcome(undisturbed / "tiny"))
