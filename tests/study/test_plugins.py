"""The README's plug-ins as they stand there: a sorter, a method with state, data, a figure and a measure."""

import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from optuna.trial import TrialState

from nsh_core import plugins
from study.analysis.results import read_results
from study.execution.records import TrialFacts
from tests.study.commands import ROOT, arguments, outcome, report, run
from tests.study.test_run import stored

FILES = ["my_sorter.py", "my_method.py", "my_data.py", "my_figure.py", "my_measure.py", "own.yaml", "own.py"]


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """A folder outside the checkout with the files of the README."""
    text = (ROOT / "README.md").read_text()
    for name in FILES:
        [block] = re.findall(rf"```(?:python|yaml)\n(# {re.escape(name)}\n.*?)```", text, re.DOTALL)
        (tmp_path / name).write_text(block)
    return tmp_path


def a_run(folder: Path) -> subprocess.Popen:
    command = arguments("run.py", "--study", "own.yaml", "--jobs", 2, "--batch-trials", 1)
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow(40)
def test_they_work_in_every_process_killed_and_resumed_and_from_python(scratch, monkeypatch):
    first = a_run(scratch)
    deadline = time.monotonic() + 100
    while not (scratch / "results" / "optuna.journal").exists() or not any(
        trial.state == TrialState.RUNNING for trial in stored(scratch / "results", "own")
    ):
        assert first.poll() is None, first.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
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


def test_a_plugin_that_a_spec_names_and_is_not_there_is_told(scratch):
    (scratch / "my_method.py").unlink()
    result = run("--study", scratch / "own.yaml", "--results", scratch / "r")
    assert result.returncode == 2
    assert re.fullmatch(r"error: cannot read the plug-in \S+/my_method.py: No such file or directory\n", result.stderr)


def test_results_without_a_measure_are_read_with_missing_values(undisturbed_copy):
    path = undisturbed_copy / "tiny" / "trials.parquet"
    trials = pd.read_parquet(path)
    trials.drop(columns=["test_precision", "bit_entropy"]).to_parquet(path)
    summary = pd.read_csv(undisturbed_copy / "tiny" / "summary.csv")
    summary[~summary.metric.isin(["test_precision", "bit_entropy"])].to_csv(
        undisturbed_copy / "tiny" / "summary.csv", index=False
    )
    results = read_results(undisturbed_copy / "tiny")
    assert results.tables.trials.test_precision.isna().all()
    assert results.summary_of("bit_entropy")["mean"].isna().all()
    made = report("--study", "tiny", "--results", undisturbed_copy, "--reports", undisturbed_copy / "p")
    assert made.returncode == 0, made.stderr
    page = (undisturbed_copy / "p" / "tiny" / "report.md").read_text()
    assert "P, radius 2" in page
    assert "P@100" not in page


BAD_SPEC = """
question: Does one bad plug-in spoil the rest?
base: {code_length: 8, train.epochs: 1}
plugins: [bad.py]
factors: {sorter.name: [softsort, SORTER]}
reference: {sorter.name: softsort}
seeds: 1
figures: [FIGURE, arms]
"""


def bad_study(
    folder: Path, plugin: str, sorter: str = "neuralsort", figure: str = "cost"
) -> subprocess.CompletedProcess:
    (folder / "bad.py").write_text(plugin)
    (folder / "bad.yaml").write_text(BAD_SPEC.replace("SORTER", sorter).replace("FIGURE", figure))
    return run("--study", folder / "bad.yaml", "--results", folder / "results")


@pytest.mark.parametrize("name", ["state", "seed", "factor_x"])
def test_a_measure_named_like_a_column_is_refused_before_anything_runs(tmp_path, name):
    plugin = f"from nsh_core.measures import measure\n@measure({name!r}, 'x')\ndef own(evidence):\n    return 1.0\n"
    result = bad_study(tmp_path, plugin)
    assert result.returncode == 2
    assert f"measure {name!r}: the tables of a study have a column of that name" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "results").exists()


def test_a_sorter_that_fails_fails_its_trials_alone(tmp_path):
    plugin = (
        "from nsh_core.registry import SORTERS\nfrom nsh_core.sorters.softsort import SoftSort\n\n"
        "@SORTERS.register('broken')\nclass Broken(SoftSort):\n"
        "    def sort_levels(self, keys, payload, levels):\n        return {}['hey']\n"
    )
    result = bad_study(tmp_path, plugin, sorter="broken")
    assert result.returncode == 1, result.stderr
    trials = pd.read_parquet(tmp_path / "results" / "bad" / "trials.parquet").set_index("arm")
    assert trials.state.to_dict() == {"softsort": "complete", "broken": "failed"}
    assert "sorter 'broken' failed: KeyError: 'hey'" in trials.failure["broken"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [("raise ValueError('fig boom')", "ValueError: fig boom"), ("return 3", "must give a matplotlib Figure or None")],
)
def test_a_figure_that_fails_is_left_out_alone(tmp_path, body, reason):
    plugin = (
        "from study.registry import FIGURES\nfrom study.reporting.figures.figure import study_figure\n\n"
        f"@FIGURES.register('crash')\n@study_figure('A caption.')\ndef crash(results):\n    {body}\n"
    )
    result = bad_study(tmp_path, plugin, figure="crash")
    assert result.returncode == 0, result.stderr
    written = report("--study", "bad", "--results", tmp_path / "results", "--reports", tmp_path / "reports")
    assert written.returncode == 2
    [line] = written.stderr.strip().splitlines()
    assert "figure 'crash' of" in line
    assert reason in line
    assert {"report.html", "report.md", "arms.png", "table.tex"} <= {
        path.name for path in (tmp_path / "reports" / "bad").iterdir()
    }
