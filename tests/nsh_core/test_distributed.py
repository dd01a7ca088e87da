"""Two gloo processes against one: the same loss, gradient, weights and codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from nsh_core import UserError, fit, load_dataset, make_config
from nsh_core.tensor_files import load_tensors
from tests.nsh_core.images import make_folder

STEP = """
import json, sys, torch
from safetensors.torch import save_file
from nsh_core import load_dataset, make_config
from nsh_core.distributed import gathered, own_part, processes, rank, size, sum_gradients
from nsh_core.model import forward_together
from nsh_core.trainer import _Ending, _Run

def step(out, dataset, settings):
    config = make_config({}, ["code_length=16", *settings])
    run = _Run(config, load_dataset(dataset), _Ending())
    # Backbones hand on float32.
    kind = torch.float32 if run.model.backbone else torch.float64
    run.model.to(kind)
    order = run.begin_epoch()
    views = run.views(order[: config.train.batch_size])
    items = torch.cat([own_part(view) for view in views])[None].to(kind)
    first, second = (gathered(half) for half in forward_together([run.model], items).halves())
    terms = run.method([config])(first, second, [run.generator])
    terms["loss"].sum().backward()
    sum_gradients(run.model.parameters())
    found = {f"gradient {name}": parameter.grad for name, parameter in run.model.named_parameters()}
    found |= dict(run.model.named_buffers()) | {"loss": terms["loss"].detach()}
    if rank() == 0:
        save_file({name: tensor.contiguous() for name, tensor in found.items()}, f"{out}-{size()}.safetensors")

with processes():
    for out, dataset, settings in json.loads(sys.argv[1]):
        step(out, dataset, settings)
"""


def torchrun(processes: int, *command: object) -> subprocess.CompletedProcess[str]:
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    return subprocess.run([*start, *map(str, command)], capture_output=True, text=True)


CASES = {
    "nsh": ["loss.quantization_weight=0.1", "loss.code_anchor_weight=0.5"],
    "nsh whole": ["loss.stop_gradient=false", "loss.negatives=random-8", "sorter.name=neuralsort"],
    "cibhash": ["method.name=cibhash"],
    "images": ["train.batch_size=8", "image.backbone=small_cnn"],
}


def test_a_step_of_two_processes_is_that_of_one(tmp_path):
    make_folder(tmp_path / "photos")
    (tmp_path / "step.py").write_text(STEP)
    photos = f"imagefolder:{tmp_path / 'photos'}"
    orders = [
        (str(tmp_path / name), photos if name == "images" else "digits", settings) for name, settings in CASES.items()
    ]
    for processes in (1, 2):
        made = torchrun(processes, tmp_path / "step.py", json.dumps(orders))
        assert made.returncode == 0, made.stderr
    for name in CASES:
        one, two = (load_file(tmp_path / f"{name}-{processes}.safetensors") for processes in (1, 2))
        assert set(one) == set(two)
        assert one["loss"].abs().item() > 0
        assert any(value.abs().max() > 1e-4 for key, value in one.items() if key.startswith("gradient hash_head"))
        for key, value in one.items():
            rounding = 1e-5 if name == "images" else 1e-6
            torch.testing.assert_close(two[key], value, rtol=rounding, atol=rounding)


def test_a_run_of_two_processes_gives_the_codes_of_one(tmp_path):
    settings = ["code_length=16", "train.epochs=2", "train.evaluate_every=1", "seed=3"]
    assignments = [part for setting in settings for part in ("--set", setting)]
    places = ["--out", tmp_path / "hasher", "--checkpoints", tmp_path / "checkpoints"]
    made = torchrun(2, "-m", "nsh_core", "train", *assignments, *places)
    assert made.returncode == 0, made.stderr
    assert made.stdout.count("val_map:") == 1
    alone = fit(make_config({}, settings), load_dataset("digits"))
    tensors, facts = load_tensors(tmp_path / "hasher", "hasher")
    for name, value in alone.model.state_dict().items():
        torch.testing.assert_close(tensors[name], value, rtol=1e-3, atol=1e-4)
    assert facts["metrics"]["test_map"] == pytest.approx(alone.metrics["test_map"], abs=0.005)
    assert [record["epoch"] for record in facts["history"]] == [1, 2]
    assert json.loads(Path(tmp_path / "checkpoints" / "checkpoint.json").read_text())["epoch"] == 2


def test_a_batch_that_cannot_be_shared_is_told(monkeypatch):
    from nsh_core import distributed

    monkeypatch.setattr(distributed, "size", lambda: 3)
    with pytest.raises(UserError, match=r"train\.batch_size = 64 must be a multiple of the 3 processes"):
        distributed.own_part(torch.zeros(64, 2))
