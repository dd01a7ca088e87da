"""Arms whose sorter is of a package that the machine lacks are left out, and no study fails for it."""

import json
import sys
from pathlib import Path

import pandas as pd
import pytest

from nsh_core import UserError
from study.analysis.results import read_results
from study.analysis.verdict import decide
from study.plan.loading import load_spec
from study.plan.planning import make_plan
from tests.study.commands import run
from tests.study.test_bad_input import without

SPEC = """\
question: Is it the sorter?
base: {code_length: 8, train.epochs: 1}
factors:
  arm:
    projected: {sorter.name: torchsort}
    soft: {}
    unsorted: {sorter.name: torchsort, method.name: simclr}
reference: {arm: projected}
seeds: 2
figures: [arms]
"""
LINE = "left out: projected, as sorter torchsort needs the package torchsort, which is not installed: pip install"


@pytest.fixture
def spec_file(tmp_path) -> Path:
    (tmp_path / "tiny.yaml").write_text(SPEC)
    return tmp_path / "tiny.yaml"


def finals(folder: Path) -> dict[str, int]:
    trials = pd.read_parquet(folder / "tiny" / "trials.parquet")
    return trials[trials.state == "complete"].arm.value_counts().to_dict()


@pytest.mark.slow(6)
def test_an_arm_comes_when_its_package_does_and_stays_when_that_goes(spec_file, tmp_path):
    options = ("--study", spec_file, "--results", tmp_path / "r")
    absent = without("torchsort", tmp_path)
    lacking = run(*options, **absent)
    assert lacking.returncode == 0, lacking.stderr
    assert f"note: arms {LINE}" in lacking.stdout
    assert finals(tmp_path / "r") == {"soft": 2, "unsorted": 2}
    assert any(LINE in caution for caution in decide(read_results(tmp_path / "r" / "tiny")).cautions)

    whole = run(*options)
    assert whole.returncode == 0, whole.stderr
    assert finals(tmp_path / "r") == {"projected": 2, "soft": 2, "unsorted": 2}

    more = run(*options, "--seeds", 3, **absent)
    assert more.returncode == 0, more.stderr
    assert finals(tmp_path / "r") == {"projected": 2, "soft": 3, "unsorted": 3}
    assert json.loads((tmp_path / "r" / "tiny" / "run.json").read_text())["lacking"] == {}


@pytest.mark.parametrize(("mode", "planned"), [("tuned", {"soft"}), ("pareto", {"soft"}), ("one_factor", {"tuned"})])
def test_no_mode_plans_what_cannot_run(spec_file, monkeypatch, mode, planned):
    monkeypatch.setitem(sys.modules, "torchsort", None)
    tuned = SPEC.replace("    unsorted: {sorter.name: torchsort, method.name: simclr}\n", f"mode: {mode}\n")
    spec_file.write_text(tuned.replace("reference: {arm: projected}", "reference: {arm: soft}"))
    assert {trial.arm.name for trial in make_plan(load_spec(str(spec_file))).trials} == planned
    assert {trial.arm.name for trial in make_plan(load_spec(str(spec_file)), all_arms=True).trials} >= planned
    spec_file.write_text(tuned.replace("    soft: {}\n", ""))
    with pytest.raises(UserError, match="no arm can run here: sorter torchsort needs the package torchsort"):
        make_plan(load_spec(str(spec_file)))
