import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from nsh_core import Hasher, UserError
from nsh_core.tensor_files import Damaged, load_tensors, save_tensors

TENSORS = {"a": torch.arange(6.0), "b": torch.tensor([1, 2])}
FACTS = {"epoch": 3, "best": float("-inf"), "rows": [(1, 0.1), (2, float("nan"))]}


def test_what_is_saved_is_read(tmp_path):
    save_tensors(tmp_path, "x", TENSORS, FACTS)
    tensors, facts = load_tensors(tmp_path, "x")
    assert all(torch.equal(tensors[name], value) for name, value in TENSORS.items())
    assert (facts["best"], facts["rows"][0], facts["tensors"]) == (float("-inf"), [1, 0.1], "x-3.safetensors")


def test_any_altered_bit_is_seen(tmp_path):
    save_tensors(tmp_path, "x", TENSORS, FACTS)
    rng = np.random.default_rng(0)
    for file in tmp_path.iterdir():
        whole = file.read_bytes()
        for place in rng.integers(0, len(whole), 60):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << rng.integers(8)
            file.write_bytes(damaged)
            with pytest.raises(Damaged, match=r"damaged|missing"):
                load_tensors(tmp_path, "x")
        file.write_bytes(whole)
    load_tensors(tmp_path, "x")


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ("[" * 100_000, "is no checkpoint of this project or is damaged"),
        ("[]", "is no checkpoint of this project or is damaged"),
        ('{"tensors": 3}', "is no checkpoint of this project or is damaged"),
        ('{"tensors": "../../y.safetensors"}', r"tells of y\.safetensors, which is missing"),
    ],
)
def test_facts_that_no_one_saved_are_named(tmp_path, facts, message):
    (tmp_path / "x.json").write_text(facts)
    with pytest.raises(Damaged, match=message):
        load_tensors(tmp_path, "x")


@pytest.fixture
def model(hasher, tmp_path) -> Path:
    hasher.save(tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize("name", ["config", "dim", "metrics", "tensors"])
@pytest.mark.parametrize("digest", [True, False])
def test_a_model_with_a_key_missing_is_named(model, name, digest):
    facts = json.loads((model / "hasher.json").read_text())
    for key in (name,) if digest else (name, "sha256"):
        del facts[key]
    (model / "hasher.json").write_text(json.dumps(facts))
    with pytest.raises(UserError, match=f"is not what was saved|{name}"):
        Hasher.load(model)


@pytest.mark.parametrize("name", ["hasher.json", "hasher-final.safetensors"])
def test_a_model_that_is_a_pipe_is_named_and_not_waited_for(model, name):
    (model / name).unlink()
    os.mkfifo(model / name)
    with pytest.raises(UserError, match=f"cannot read .*{name}: a file is expected, got a pipe"):
        Hasher.load(model)


def test_a_model_with_altered_weights_is_named(model):
    file = model / "hasher-final.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\x01")
    with pytest.raises(
        UserError, match=r"hasher\.json or hasher-final\.safetensors is not what was saved: it is damaged"
    ):
        Hasher.load(model)
