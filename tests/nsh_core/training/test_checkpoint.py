import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nsh_core import Hasher, UserError, fit, make_config
from nsh_core.data import Dataset

CONFIG = make_config({"code_length": 8, "train": {"epochs": 1}})


@pytest.fixture(scope="module")
def whole(digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Hasher, Path]:
    """A run to its end, and its checkpoints."""
    folder = tmp_path_factory.mktemp("whole")
    return fit(CONFIG, digits, checkpoints=folder), folder


def tensors(folder: Path) -> Path:
    return folder / "checkpoint-1.safetensors"


def altered(folder: Path) -> None:
    content = bytearray(tensors(folder).read_bytes())
    content[-5] ^= 1
    tensors(folder).write_bytes(content)


def with_facts(change: Callable[[dict], object]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        file = folder / "checkpoint.json"
        facts = json.loads(file.read_text())
        change(facts)
        file.write_text(json.dumps(facts))

    return damage


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (altered, "checkpoint-1.safetensors is not what was saved"),
        (lambda folder: tensors(folder).write_bytes(b"torn"), "checkpoint-1.safetensors is not what was saved"),
        (lambda folder: tensors(folder).unlink(), "tells of checkpoint-1.safetensors, which is missing"),
        (lambda folder: (folder / "checkpoint.json").write_text("{"), "is no checkpoint of this project or is damaged"),
        (with_facts(lambda facts: facts.pop("history")), "is not what was saved"),
        (with_facts(lambda facts: facts.pop("sha256")), "is not what was saved"),
        (with_facts(lambda facts: facts.update(best=2.0)), "is not what was saved"),
    ],
)
def test_a_damaged_checkpoint_is_set_aside_and_the_run_starts_over(digits, whole, tmp_path, capsys, damage, message):
    hasher, folder = whole
    shutil.copytree(folder, tmp_path / "c")
    damage(tmp_path / "c")
    again = fit(CONFIG, digits, checkpoints=tmp_path / "c")
    out = capsys.readouterr().out
    assert message in out
    assert out.endswith("it is set aside as checkpoint.json.damaged, and the run starts over\n")
    assert out.count("\n") == 1
    np.testing.assert_array_equal(again.encode(digits.database), hasher.encode(digits.database))
    assert again.history == hasher.history
    left = {path.name for path in (tmp_path / "c").iterdir()}
    assert {"checkpoint.json", "checkpoint-1.safetensors", "checkpoint.json.damaged"} <= left
    fit(CONFIG, digits, checkpoints=tmp_path / "c")
    assert capsys.readouterr().out == ""


def test_a_checkpoint_that_is_no_file_is_named_and_not_waited_for(digits, tmp_path):
    os.mkfifo(tmp_path / "checkpoint.json")
    with pytest.raises(UserError, match=r"cannot read .*checkpoint\.json: a file is expected, got a pipe"):
        fit(CONFIG, digits, checkpoints=tmp_path)
