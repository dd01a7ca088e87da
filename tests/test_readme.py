"""The recipes of the README work as they stand there."""

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
from nsh_core.registry import SORTERS
from study.execution.events import EndedTrial, Evaluated
from study.plan.loading import load_spec
from study.plan.planning import make_plan
from tests.conftest import feature_arrays
from tests.nsh_core.images import picture
from tests.study.commands import in_a_fork

README = (Path(__file__).parents[1] / "README.md").read_text()


def block(language: str, containing: str) -> str:
    found = [code for code in re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL) if containing in code]
    assert len(found) == 1
    return found[0]


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
    told = re.search(r"`run\(on_trial=(.*?)`study\.optuna_study` is", README, re.DOTALL)[1]
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
    recipe = block("python", "from_huggingface").replace(
        '{"code_length": 16}', '{"code_length": 16, "train": {"epochs": 1}}'
    )
    exec(recipe, names)
    assert load_dataset(names["name"]).fingerprint() == names["data"].fingerprint()


@pytest.mark.parametrize("option", re.findall(r"\| `(--[a-z-]+)", README))
def test_every_option_named_exists(option):
    sources = "".join((Path(__file__).parents[1] / "study" / name).read_text() for name in ("run.py", "report.py"))
    assert option in sources or f"{option[2:].replace('-', '_')}:" in sources
