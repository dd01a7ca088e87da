"""The examples of the pages work as they stand there."""

import re
import shlex
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch

from nsh_core import fit, load_dataset, make_config, sorters
from nsh_core.data import from_huggingface
from nsh_core.plain_yaml import read_yaml
from nsh_core.registry import SORTERS
from study.execution.events import EndedTrial, Evaluated
from study.plan.budget import Tuning
from study.plan.goal import Goal
from study.plan.loading import load_spec
from study.plan.planning import make_plan
from study.registry import OBJECTIVES
from tests.conftest import feature_arrays
from tests.nsh_core.images import picture
from tests.pages import PAGES, ROOT, block, blocks
from tests.study.commands import in_a_fork

# What an example has in it, where a test here runs it, or one elsewhere.
RUN = {
    "from nsh_core import fit, load_dataset": "tests/test_examples.py",
    "class GaussSort": "tests/test_examples.py",
    "np.savez": "tests/test_examples.py",
    "from_huggingface(dataset_dict)": "tests/test_examples.py",
    "shards/train-*.parquet": "tests/test_examples.py",
    "# my_objective.py": "tests/test_examples.py",
    "# my_method.py": "tests/study/test_plugins.py",
    "# my_data.py": "tests/study/test_plugins.py",
    "# my_figure.py": "tests/study/test_plugins.py",
    "# my_measure.py": "tests/study/test_plugins.py",
    "# own.py": "tests/study/test_plugins.py",
    "# my_tracker.py": "tests/study/reporting/test_tracking.py",
    "tries.best_params": "tests/study/reporting/test_dashboard.py",
    "optuna.copy_study": "tests/study/reporting/test_dashboard.py",
    "SearchIndex.load": "tests/nsh_core/search/test_index.py",
    "from study import side_by_side": "tests/study/reporting/test_side_by_side.py",
}
OPTIONS = sorted(
    {option for page in PAGES for option in re.findall(r"^\| `(--[a-z-]+)", page.read_text(), re.MULTILINE)}
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_example_ends(page):
    assert page.read_text().count("\n```") % 2 == 0


@pytest.mark.parametrize("code", blocks("python"))
def test_every_example_in_python_is_run_by_a_test(code):
    [file] = [file for part, file in RUN.items() if part in code]
    assert Path(ROOT, file).exists()


def test_the_python_example(capsys):
    names: dict = {}
    exec(block("python", "from nsh_core import fit, load_dataset"), names)
    assert names["codes"].shape == (300, 2)
    assert 0.5 < float(capsys.readouterr().out.split()[0]) < 1


@pytest.mark.slow(9)
def test_the_commands_of_one_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for line in block("", "--seed 0 --out hasher").splitlines():
        words = shlex.split(line, comments=True)
        if words[1:3] == ["-m", "nsh_core"]:
            done = in_a_fork("nsh_core", words[3:])
        else:
            assert words[:2] == ["python", "-c"]
            done = subprocess.run([sys.executable, *words[1:]], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert np.load("codes.npy").shape == (1797, 2)


@pytest.mark.parametrize("event", [EndedTrial, Evaluated])
def test_what_functions_of_a_user_are_told_is_said(event):
    page = (ROOT / "docs" / "own_study.md").read_text()
    told = re.search(r"`run\(on_trial=(.*?)`study\.optuna_study` is", page, re.DOTALL)[1]
    assert {field.name for field in fields(event)} <= set(re.findall(r"`(\w+)`", told))


def test_the_study_recipe(tmp_path):
    path = tmp_path / "my_study.yaml"
    path.write_text(block("yaml", "Do more positives help"))
    plan = make_plan(load_spec(str(path)))
    assert [trial.config.loss.num_positives for trial in plan.trials] == [1] * 5 + [5] * 5 + [10] * 5


def test_the_sorter_recipe(digits):
    exec(block("python", "class GaussSort"), {})
    try:
        keys = torch.tensor([[1.0, 5.0, 3.0]])
        assert sorters.build("gauss", temperature=0.1).permutation(keys).argmax(dim=2).tolist() == [[1, 2, 0]]
        hasher = fit(make_config({"train": {"epochs": 3}}, ["sorter.name=gauss"]), digits)
        assert hasher.metrics["test_map"] > 0.5
    finally:
        SORTERS.unregister("gauss")


def test_the_data_recipe(tmp_path, monkeypatch):
    arrays = feature_arrays()
    monkeypatch.chdir(tmp_path)
    names = {
        "np": np, "train": arrays["train_views"], "database": arrays["database"], "y": arrays["database_labels"],
        "query": arrays["query"], "y_query": arrays["query_labels"],
    }  # fmt: skip
    exec(block("python", "np.savez"), names)
    dataset = load_dataset("features:mine.npz")
    hasher = fit(make_config({"code_length": 8, "train": {"epochs": 5, "batch_size": 16}}), dataset)
    assert hasher.metrics["test_map"] > 0.5


def test_the_recipe_for_data_in_memory(tmp_path, monkeypatch):
    hf = pytest.importorskip("datasets")
    arrays, rng = feature_arrays(), np.random.default_rng(0)
    monkeypatch.chdir(tmp_path)
    pairs = [[(picture([n % 3], rng), n % 3) for n in range(count)] for count in (70, 8)]
    splits = [
        hf.Dataset.from_dict(dict(zip(("image", "label"), zip(*part, strict=True), strict=True))) for part in pairs
    ]
    names = {
        "torch": torch, "fit": fit, "make_config": make_config, "database": arrays["database"],
        "y": arrays["database_labels"], "query": arrays["query"], "y_query": arrays["query_labels"],
        "pictures": pairs[0], "other_pictures": pairs[1],
        "dataset_dict": hf.DatasetDict(zip(("train", "test"), splits, strict=True)),
    }  # fmt: skip
    recipe = block("python", "from_huggingface(dataset_dict)").replace(
        '{"code_length": 16}', '{"code_length": 16, "train": {"epochs": 1}}'
    )
    exec(recipe, names)
    assert load_dataset(names["name"]).fingerprint() == names["data"].fingerprint()


def test_the_recipe_for_shards(tmp_path, monkeypatch):
    hf = pytest.importorskip("datasets")
    arrays = feature_arrays()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    (tmp_path / "shards").mkdir()
    for name, kind in (("train", "database"), ("test", "query")):
        columns = {"vector": arrays[kind].tolist(), "label": arrays[f"{kind}_labels"].tolist()}
        hf.Dataset.from_dict(columns).to_parquet(f"shards/{name}-0.parquet")
    names = {"from_huggingface": from_huggingface, "jitter": lambda items, generator: items + torch.zeros(items.shape)}
    exec(block("python", "shards/train-*.parquet"), names)
    assert len(names["data"].database) == len(arrays["database"])


def test_the_recipe_for_an_objective():
    exec(block("python", "# my_objective.py"), {})
    try:
        goal = Goal(objective="worse_half")
        assert goal.value({"val_precision": 0.5, "val_recall": 0.2}) == 0.2
        tune = read_yaml(block("yaml", "constraints: {encode_ms"))["tune"]
        assert Tuning(**tune).constraints["encode_ms"].max == 5
    finally:
        OBJECTIVES.unregister("worse_half")


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_named_exists(option):
    sources = "".join((ROOT / "study" / name).read_text() for name in ("run.py", "report.py"))
    assert option in sources or f"{option[2:].replace('-', '_')}:" in sources
