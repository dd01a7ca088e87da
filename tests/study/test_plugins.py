"""The plug-ins of the docs as they stand there: a sorter, a method with state, data, a figure and a measure."""

import dataclasses
import os
import re
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from optuna.trial import TrialState

from nsh_core import plugins
from nsh_core.measures import MEASURES, Measure
from study.analysis.results import read_results
from study.execution.attributes import known
from study.execution.records import Task, TrialFacts
from tests.pages import block
from tests.study.commands import ROOT, arguments, as_of_an_earlier_version, outcome, report, run
from tests.study.test_run import stored, wait_for

FILES = ["my_sorter.py", "my_method.py", "my_data.py", "my_figure.py", "my_measure.py", "own.yaml", "own.py"]


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """A folder outside the checkout with the files of the documentation."""
    for name in FILES:
        language = {".py": "python", ".yaml": "yaml"}[Path(name).suffix]
        (tmp_path / name).write_text(block(language, f"# {name}\n"))
    return tmp_path


def a_run(folder: Path) -> subprocess.Popen:
    command = arguments("run.py", "--study", "own.yaml", "--jobs", 2, "--batch-trials", 1)
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow(40)
def test_they_work_in_every_process_killed_and_resumed_and_from_python(scratch, monkeypatch):
    first = a_run(scratch)
    wait_for(scratch / "results", TrialState.RUNNING, first, "own")
    first.send_signal(signal.SIGKILL)
    first.communicate()
    monkeypatch.chdir(scratch)
    resumed = run("--study", "own.yaml", "--jobs", 2, "--batch-trials", 1)
    assert resumed.returncode == 0, resumed.stderr

    folder = scratch / "results" / "own"
    trials = pd.read_parquet(folder / "trials.parquet")
    assert list(trials.state) == ["complete"] * 6
    assert set(trials.dataset) == {"blobs:5"}
    assert (trials.test_map > 0.35).all()  # chance is 0.2
    assert trials.tie_gap.between(0, 0.2).all()
    assert trials.tie_gap.nunique() > 1
    curves = pd.read_parquet(folder / "curves.parquet")
    assert set(curves[curves.arm == "balanced"].curve) >= {"contrast", "balance"}
    for trial in stored(scratch / "results", "own"):
        if trial.state == TrialState.COMPLETE:
            provenance = TrialFacts.of(trial).provenance
            for name in FILES[:5]:
                assert provenance[f"plug-in {name}"] == plugins.digest_of(scratch / name)

    python = [sys.executable, "own.py"]
    made = subprocess.run(
        python, cwd=scratch, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert made.returncode == 0, made.stderr
    assert made.stdout.count("tie_gap") == 2
    pd.testing.assert_frame_equal(outcome(scratch / "from_python" / "own"), outcome(folder))

    # By the name of the folder: the run knows its plug-ins.
    written = report("--study", "own")
    assert written.returncode == 0, written.stderr
    page = (scratch / "reports" / "own" / "report.md").read_text()
    assert "mAP that the order of ties makes up" in page
    assert "Test mAP from the worst to the best seed of each arm." in page
    assert f"plug-in my_method.py: {plugins.digest_of(scratch / 'my_method.py')}" in page

    same = run("--study", "own.yaml", "--verify", int(trials.trial.iloc[-1]))
    assert same.returncode == 0, same.stdout + same.stderr
    exported = run("--study", "own.yaml", "--export", "all.zip")
    assert exported.returncode == 0, exported.stderr
    with zipfile.ZipFile("all.zip") as archive:
        archive.extractall("there")
    assert Path("there/plugins/my_method.py").read_text() == Path("my_method.py").read_text()
    for name in FILES[:5]:
        Path(name).unlink()
    options = ("--results", "there/results")
    again = run("--study", "there/own.yaml", *options)
    assert again.returncode == 0, again.stderr
    told = report("--study", "own", "--results", "results")
    assert told.returncode == 2
    assert "give --plugin" in told.stderr


MEASURE = """
from nsh_core.measures import measure

@measure("NAME", "mine")
def mine(evidence):
    raise KeyError("hey")
"""


@pytest.mark.parametrize("name", ["seed", "config", "factor_sorter.name", "history"])
def test_a_measure_called_like_a_column_is_refused_before_anything_runs(spec_file, name):
    (spec_file.parent / "mine.py").write_text(MEASURE.replace("NAME", name))
    named = spec_file.with_name("named.yaml")
    named.write_text(spec_file.read_text() + "plugins: [mine.py]\n")
    for options in (("--study", spec_file, "--plugin", spec_file.parent / "mine.py"), ("--study", named)):
        result = run(*options, "--results", spec_file.parent / "r")
        assert result.returncode == 2
        assert f"measure {name!r}: the tables of a study have a column of that name" in result.stderr
        assert len(result.stderr.splitlines()) == 1
    assert not (spec_file.parent / "r").exists()


def test_every_name_that_a_study_uses_itself_is_taken(undisturbed):
    columns = pd.read_parquet(undisturbed / "tiny" / "trials.parquet").columns
    attributes = {name for trial in stored(undisturbed) for name in known(trial) if "-" not in name}
    fields = {field.name for kind in (Task, TrialFacts) for field in dataclasses.fields(kind)} - {"measures", "config"}
    for name in {*columns, *attributes, *fields} - set(MEASURES.names()):
        with pytest.raises(ValueError, match="the tables of a study have a column of that name"):
            MEASURES.register(name, Measure(name, "x"))


FAILING = """
from nsh_core.measures import measure
from nsh_core.methods import NSH
from nsh_core.registry import METHODS


@measure("mine", "mine")
def mine(evidence):
    if evidence.hasher.config.code_length == 16:
        raise KeyError("hey")


@METHODS.register("broken")
class Broken(NSH):
    def __call__(self, *arguments):
        raise TypeError("two\\nlines")
"""


@pytest.mark.slow(5)
def test_a_measure_or_method_that_fails_fails_its_trials_alone(tmp_path):
    (tmp_path / "failing.py").write_text(FAILING)
    (tmp_path / "tiny.yaml").write_text(
        "question: What if a plug-in fails?\nbase: {code_length: 8, train.epochs: 1}\nplugins: [failing.py]\n"
        "factors: {arm: {good: {}, measured: {code_length: 16}, trained: {method.name: broken}}}\n"
        "reference: {arm: good}\nseeds: 2\n"
    )
    result = run("--study", tmp_path / "tiny.yaml", "--results", tmp_path / "r", "--batch-trials", 2)
    assert result.returncode == 1, result.stderr
    assert result.stderr == ""
    trials = pd.read_parquet(tmp_path / "r" / "tiny" / "trials.parquet")
    assert trials.groupby("arm").failure.unique().explode().to_dict() == {
        "good": "",
        "measured": "unusable: measure 'mine' failed: KeyError: 'hey'",
        "trained": "unusable: method 'broken' failed: TypeError: two lines",
    }
    assert list(trials.state) == ["complete"] * 2 + ["failed"] * 4


def test_a_plugin_that_a_spec_names_and_is_not_there_is_told(scratch):
    (scratch / "my_method.py").unlink()
    result = run("--study", scratch / "own.yaml", "--results", scratch / "r")
    assert result.returncode == 2
    assert re.fullmatch(
        r"error: cannot read the plug-in \S+/my_method.py: No such file or directory; did you mean 'my_measure.py'\?\n",
        result.stderr,
    )


def test_results_without_a_measure_are_read_with_missing_values(undisturbed_copy):
    path = undisturbed_copy / "tiny" / "trials.parquet"
    trials = pd.read_parquet(path)
    trials.drop(columns=["test_precision", "bit_entropy"]).to_parquet(path)
    summary = pd.read_csv(undisturbed_copy / "tiny" / "summary.csv")
    summary[~summary.metric.isin(["test_precision", "bit_entropy"])].to_csv(
        undisturbed_copy / "tiny" / "summary.csv", index=False
    )
    as_of_an_earlier_version(undisturbed_copy / "tiny")
    results = read_results(undisturbed_copy / "tiny")
    assert results.tables.trials.test_precision.isna().all()
    assert results.summary_of("bit_entropy")["mean"].isna().all()
    made = report("--study", "tiny", "--results", undisturbed_copy, "--reports", undisturbed_copy / "p")
    assert made.returncode == 0, made.stderr
    page = (undisturbed_copy / "p" / "tiny" / "report.md").read_text()
    assert "P, radius 2" in page
    assert "P@100" not in page
