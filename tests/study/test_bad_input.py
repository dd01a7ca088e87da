"""Every kind of bad input ends a command with one clear line and exit code 2."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import feature_arrays
from tests.nsh_core.images import make_folder
from tests.study.commands import ROOT, SPEC, in_a_fork
from tests.study.test_run import stored

RUN = ["study/run.py", "--study", "tiny.yaml", "--results", "r"]
REPORT = ["study/report.py", "--results", "r", "--reports", "p", "--study"]
REFERENCE = ROOT / "results" / "reference"
TRAIN = ["-m", "nsh_core", "train", "--set", "train.epochs=1"]


def spec_with(old: str, new: str):
    def change() -> None:
        assert old in SPEC
        Path("tiny.yaml").write_text(SPEC.replace(old, new))

    return change


def features_with(**changes: np.ndarray | None):
    def change() -> None:
        arrays = {name: array for name, array in (feature_arrays() | changes).items() if array is not None}
        np.savez("f.npz", **arrays)

    return change


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def damaged_results() -> None:
    Path("r/tiny").mkdir(parents=True)
    Path("r/tiny/run.json").write_text("{")


FAR = """
from study.registry import TRACKERS
from study.reporting.tracking import Tracker

@TRACKERS.register("far")
class Far(Tracker):
    package, install = "far_away", "far-away"

    def write(self, run):
        import far_away
"""

CASES = {
    "no study": (["study/run.py"], None, "--study is missing"),
    "unknown study": (["study/run.py", "--study", "nope"], None, "unknown study 'nope', known: around_optimum, as_published, code_length"),
    "spec file missing": (["study/run.py", "--study", "nope.yaml"], None, "cannot read nope.yaml: No such file"),
    "spec not yaml": (RUN, lambda: Path("tiny.yaml").write_text("a: [b"), "tiny.yaml is not valid YAML"),
    "spec not a mapping": (RUN, lambda: Path("tiny.yaml").write_text("[1, 2]"), "must hold a mapping"),
    "spec without question": (RUN, spec_with("question: Does the tiny study run?", ""), "question: Field required"),
    "spec with a stray key": (RUN, spec_with("seeds: 2", "seed: 2"), "seed: unknown setting, got 2"),
    "spec with an unknown figure": (RUN, spec_with("[arms,", "[pie,"), "figures.0: unknown figure 'pie', known: arms"),
    "a study that is a folder": (["study/run.py", "--study", "specs/"], lambda: Path("specs").mkdir(), "study 'specs/' is a folder, and the path of a spec ends in .yaml, .yml, .json"),
    "a study that is a folder of specs": (["study/run.py", "--study", "."], None, "study '.' is a folder, and the path of a spec ends in .yaml, .yml, .json; did you mean './tiny.yaml'?"),
    "a spec without its ending": (["study/run.py", "--study", "tiny"], None, "or give the path of a .yaml file; did you mean 'tiny.yaml'?"),
    "a spec of another ending": (["study/run.py", "--study", "tiny.txt"], lambda: Path("tiny.txt").write_text(SPEC), "study 'tiny.txt' is a file of another kind: the path of a spec ends in .yaml"),
    "a path of no spec": (["study/run.py", "--study", "../nowhere/tiny"], None, "unknown study '../nowhere/tiny', known: "),
    "a study whose name is no path": (["study/run.py", "--study", "x" * 5000], None, "unknown study 'xxx"),
    "unknown sampler": ([*RUN, "--dry-run"], spec_with("seeds: 2", "seeds: 2\ntune: {sampler: tpee}"), "tune.sampler.name: unknown sampler 'tpee', known: tpe, gp"),
    "a sampler that cannot take the space": ([*RUN, "--dry-run"], spec_with("seeds: 2", "seeds: 2\ntune: {sampler: 'optuna.samplers:BruteForceSampler'}"), "study tiny, arm 'softsort': sampler 'optuna.samplers:BruteForceSampler' failed: ValueError: FloatDistribution.step must be given"),
    "unknown sorter in an arm": (RUN, spec_with("argsort]", "bubble]"), "arm 'bubble': sorter: unknown sorter 'bubble'"),
    "setting out of range": ([*RUN, "--set", "code_length=0"], None, "greater than or equal to 1, got 0"),
    "unknown setting": ([*RUN, "--set", "loss.size=3"], None, "loss.size: unknown setting, got 3"),
    "malformed --set": ([*RUN, "--set", "code_length"], None, "a setting is written NAME=VALUE"),
    "seeds out of range": ([*RUN, "--seeds", "0"], None, "'--seeds': must be a whole number of at least 1, got '0'"),
    "batch-trials not a number": ([*RUN, "--batch-trials", "0"], None, "'--batch-trials': must be auto, or a whole number of at least 1, got '0'"),
    "jobs not a number": ([*RUN, "--jobs", "many"], None, "'--jobs': must be a whole number of at least 1, got 'many'"),
    "unknown option": ([*RUN, "--sedes", "3"], None, "No such option: --sedes"),
    "a setting that every arm replaces": ([*RUN, "--set", "sorter.name=softsrt"], None, "setting sorter.name: sorter: unknown sorter 'softsrt'"),
    "method of a run": ([*TRAIN, "--set", "method.name=nhs"], None, "method.name: unknown method 'nhs', known: nsh"),
    "unknown loss": ([*TRAIN, "--set", "loss.gpa=1"], None, "loss.gpa: unknown setting, got 1, known: "),
    "unknown key of a spec": (RUN, spec_with("question:", "quesion:"), "did you mean 'question'?"),
    "unknown dataset": ([*RUN, "--dataset", "mnis"], None, "unknown dataset 'mnis', known: digits, features"),
    "no dataset": ([*RUN, "--dataset="], None, "unknown dataset '', known: digits, features"),
    "unknown engine": ([*RUN, "--engine", "foo"], None, "Invalid value for '--engine': 'foo' is not one of 'local', 'ray'"),
    "unknown tracker": ([*RUN, "--track", "tensorbord"], None, "unknown tracker 'tensorbord', known: tensorboard, mlflow, wandb; did you mean 'tensorboard'?"),
    "tracker without its package": ([*RUN, "--plugin", "t.py", "--track", "far"], lambda: Path("t.py").write_text(FAR), "tracker far needs the package far_away: pip install far-away"),
    "misspelt study": (["study/run.py", "--study", "transfr"], None, "transfer, or give the path of a .yaml file; did you mean 'transfer'?"),
    "export to nothing": ([*RUN, "--export="], None, "--export must name a file to write, as study.zip, got the folder '.'"),
    "export of another kind": ([*RUN, "--export", "../exp.tar"], None, "--export writes a .zip: the name must end so, as exp.zip, got '../exp.tar'"),
    "report across nothing": ([*REPORT, "tiny", "--across", "elsewhere/other"], lambda: shutil.copytree(REFERENCE / "transfer", "r/tiny"), "--across elsewhere/other: no folder of a study's results, and neither is r/elsewhere/other"),
    "unknown method": ([*RUN, "--set", "method.name=dpsh"], None, "unknown method 'dpsh', known: nsh, cibhash"),
    "option of another method": ([*RUN, "--set", "method={name: sdc, options: {gamma: 1}}"], None, "options of sdc: beta, quantization_weight"),
    "images that are not there": ([*RUN, "--dataset", "cifar10"], None, "dataset cifar10 is not in data/cifar10"),
    "shallow method on images": ([*TRAIN, "--dataset", "imagefolder:i", "--set", "method.name=lsh", "--set", "train.batch_size=8"], lambda: make_folder(Path("i")), "method lsh needs the features of a frozen backbone"),
    "features of no images": (["-m", "nsh_core", "features", "--dataset", "digits", "--out", "f.npz"], None, "digits holds no images"),
    "feature file missing": ([*RUN, "--dataset", "features:no.npz"], None, "cannot read no.npz: No such file"),
    "feature file almost there": ([*RUN, "--dataset", "fo.npz"], features_with(), "cannot read fo.npz: No such file or directory; did you mean 'f.npz'?"),
    "data set almost there": ([*RUN, "--dataset", "feature:f.npz"], features_with(), "unknown dataset 'feature', known: digits"),
    "feature file torn": ([*RUN, "--dataset", "features:f.npz"], lambda: Path("f.npz").write_bytes(b"PK\3\4"), "f.npz is not a readable"),
    "missing array": ([*RUN, "--dataset", "features:f.npz"], features_with(query=None), "f.npz: missing array query"),
    "wrong shape": ([*RUN, "--dataset", "features:f.npz"], features_with(query=np.zeros((41, 5))), "query has 5 features"),
    "NaN": ([*RUN, "--dataset", "features:f.npz"], features_with(query=np.full((41, 12), np.nan)), "query holds NaN"),
    "labels of another length": ([*RUN, "--dataset", "features:f.npz"], features_with(query_labels=np.zeros(3, int)), "query_labels must have shape [41]"),
    "unknown storage": ([*RUN, "--storage", "mongodb://u:hunter2@h/d"], None, "of an unknown kind, allowed: a journal file"),
    "storage with a mistyped URL": ([*RUN, "--storage", "postgres//u:hunter2@h/d"], None, "storage postgres... looks like a URL and is none, allowed: a journal file"),
    "storage with an @ in its password": ([*RUN, "--storage", "postgresql://u:x@hunter2@h/d"], None, "in a user name or password write @ as %40"),
    "repair of no journal": (["study/run.py", "--repair", "--storage", "postgresql://u:hunter2@h/d"], None, "--repair mends a journal file, and postgresql://h/d is none"),
    "check of a mistyped URL": (["study/run.py", "--check", "--storage", "postgres//u:hunter2@h/d"], None, "looks like a URL and is none"),
    "seeds without end": ([*RUN, "--seeds", "100000000"], None, "error: seeds must be at most 1000, got 100000000"),
    "a number of 5,000 digits": ([*RUN, "--jobs", "9" * 5000], None, "'--jobs': must be a number of at most 9 digits, got one of 5000"),
    "an argument that does not print": ([*TRAIN, "\u202eabc\u009b"], None, r"\u202eabc\x9b"),
    "a setting twice": ([*TRAIN, "--seed", "1", "--set", "seed=2"], None, "seed given twice, as 2 and 1: once is enough"),
    "two things to do at once": ([*RUN, "--check", "--dry-run"], None, "error: --check, --dry-run exclude each other: give one"),
    "one limit twice": ([*RUN, "--trials", "5", "--limit", "3"], None, "in mode grid --trials 5 is the same as --limit, and --limit 3 is given too"),
    "an unknown tracker of no run": ([*RUN, "--dry-run", "--track", "tensorbord"], None, "unknown tracker 'tensorbord', known: tensorboard"),
    "an unknown storage of no run": ([*RUN, "--dry-run", "--storage", "foo://bar"], None, "storage foo://bar is of an unknown kind"),
    "a check of nothing": (["study/run.py", "--check", "--results", "nowhere"], None, "nothing to check: no folder nowhere, and no storage nowhere/optuna.journal"),
    "a folder of results as a study": (["study/run.py", "--study", "r/tiny"], damaged_results, "study 'r/tiny' is a folder of results: give --study tiny --results r"),
    "report on a folder that is not there": ([*REPORT, "own"], None, "'own' is no shipped study, and there is no folder of results r"),
    "storage is no journal": ([*RUN, "--storage", "j.log"], lambda: Path("j.log").write_text("hello\n"), "j.log is no Optuna journal"),
    "journal damaged": ([*RUN, "--storage", "j.log"], lambda: Path("j.log").write_text('{"op_code": 0,\n{}\n'), "j.log: line 1 cannot be read"),
    "storage is a folder": ([*RUN, "--storage", "dir"], lambda: Path("dir").mkdir(), "cannot use storage dir: not a file"),
    "database unreachable": ([*RUN, "--storage", f"postgresql://bob:hunter2@127.0.0.1:{free_port()}/d"], None, "is locked, unreachable or unusable"),
    "sqlite not a database": ([*RUN, "--storage", "sqlite:///x.db"], lambda: Path("x.db").write_text("no database here" * 99), "file is not a database"),
    "results folder is a file": (RUN, lambda: Path("r").write_text(""), "cannot write into r/tiny"),
    "report on a file before the run": ([*REPORT, "tiny.yaml", "--set", "train.epochs=3"], None, "run.py --study tiny.yaml --set train.epochs=3 --results r` first"),
    "report before the run": ([*REPORT, "sorter_ablation"], None, "no results in r/sorter_ablation: run `python "),
    "report on damaged results": ([*REPORT, "tiny"], damaged_results, "r/tiny is damaged, run the study again"),
    "train with a bad config file": ([*TRAIN, "--config", "c.yaml"], lambda: Path("c.yaml").write_text("loss: 3"), "loss: expected a section of settings, got 3"),
    "train with too large a batch": ([*TRAIN, "--set", "train.batch_size=5000"], None, "train.batch_size = 5000 exceeds the 1197"),
    "train into a file": ([*TRAIN, "--out", "tiny.yaml"], None, "cannot write into tiny.yaml: a folder is expected, got a file"),
    "encode without a model": (["-m", "nsh_core", "encode", "--model", "m", "--input", "x", "--out", "y"], None, "cannot read m/hasher.json"),
}  # fmt: skip


def execute(command: list[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    environment = {"NSH_CACHE": str(folder / "cache"), "NSH_DATA": "data"} | environment
    if "PYTHONPATH" not in environment and Path.cwd() == folder:
        name = command[1] if command[0] == "-m" else command[0].removeprefix("study/")
        return in_a_fork(name, command[2:] if command[0] == "-m" else command[1:], environment)
    script = [str(ROOT / part) if part.startswith(("study/", "scripts/")) else part for part in command]
    return subprocess.run(
        [sys.executable, *script], cwd=folder, capture_output=True, text=True, env=os.environ | environment
    )


def assert_one_clear_line(result: subprocess.CompletedProcess[str], message: str) -> None:
    assert result.returncode == 2, result.stdout + result.stderr
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.strip().splitlines()) == 1
    assert message in result.stderr
    assert "hunter2" not in result.stderr + result.stdout


@pytest.mark.parametrize("case", CASES)
def test_bad_input(case, tmp_path, monkeypatch):
    command, prepare, message = CASES[case]
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(SPEC)
    if prepare is not None:
        prepare()
    assert_one_clear_line(execute(command, tmp_path), message)


def test_a_gpu_that_is_not_there(tmp_path, monkeypatch):
    """Nothing is queued for it: on a cluster a machine without one would fail the trials of all others."""
    monkeypatch.chdir(tmp_path)
    spec_with("base: {", "base: {train.device: cuda, ")()
    result = execute(RUN, tmp_path, CUDA_VISIBLE_DEVICES="")
    assert_one_clear_line(result, "train.device = cuda, but torch sees no CUDA device: allowed here are auto and cpu")
    assert not stored(tmp_path / "r")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_write_permission(tmp_path):
    (tmp_path / "tiny.yaml").write_text(SPEC)
    tmp_path.chmod(0o555)
    assert_one_clear_line(execute(RUN, tmp_path), "cannot write into r/tiny: Permission denied")


def without(package: str, folder: Path) -> dict[str, str]:
    """An environment in which importing a package fails as if it were not installed."""
    blocker = folder / "site"
    blocker.mkdir()
    (blocker / "sitecustomize.py").write_text(f"import sys\nsys.modules[{package!r}] = None\n")
    return {"PYTHONPATH": str(blocker)}


def test_a_missing_sorter_package(tmp_path):
    environment = without("torchsort", tmp_path)
    result = in_a_fork("nsh_core", [*TRAIN[2:], "--set", "sorter.name=torchsort"], environment)
    assert_one_clear_line(result, "sorter torchsort needs the package torchsort, which is not installed: pip install")
    assert in_a_fork("nsh_core", TRAIN[2:], environment).returncode == 0


@pytest.mark.slow(4)
@pytest.mark.parametrize(
    ("command", "package"),
    [
        (["study/run.py", "--study", "tiny"], "optuna"),
        (["study/report.py", "--study", "tiny"], "optuna"),
        (["-m", "nsh_core", "train"], "typer"),
        (["scripts/reference.py", "--list"], "pandas"),
    ],
)
def test_a_missing_core_package(tmp_path, command, package):
    result = execute(command, tmp_path, **without(package, tmp_path))
    assert_one_clear_line(result, f"the package {package!r} is missing: run `make env`")
