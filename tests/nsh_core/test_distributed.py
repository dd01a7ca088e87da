"""Two gloo processes against one: the same loss, gradient, weights and codes."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from nsh_core import UserError, distributed, fit, load_dataset, make_config
from nsh_core.tensor_files import load_tensors
from tests.conftest import Once
from tests.nsh_core.images import make_folder
from tests.nsh_core.steps import step
from tests.study.commands import ROOT, in_a_fork

CASES = {
    "nsh": ["loss.quantization_weight=0.1", "loss.code_anchor_weight=0.5"],
    "nsh whole": ["loss.stop_gradient=false", "loss.negatives=random-8", "sorter.name=neuralsort"],
    "cibhash": ["method.name=cibhash"],
    "images": ["train.batch_size=8", "image.backbone=small_cnn"],
    "images tuned": ["train.batch_size=8", "image.backbone=efficientnet_lite0", "image.size=32", "image.finetune=true",
                     "image.trained_stages=2"],
}  # fmt: skip


RUN = ["code_length=16", "train.epochs=2", "train.evaluate_every=1", "seed=3"]


def orders(folder: Path) -> list[tuple[str, str, list[str]]]:
    """The steps, whose results go into a folder."""
    photos = f"imagefolder:{folder / 'photos'}"
    return [(str(folder / name), photos if "images" in name else "digits", own) for name, own in CASES.items()]


@pytest.fixture(scope="session")
def two(once: Once) -> Path:
    """The steps and a run of two processes, in one launch: a folder of their results, what was printed in stdout."""

    def make(folder: Path) -> None:
        make_folder(folder / "photos")
        assignments = [part for setting in RUN for part in ("--set", setting)]
        train = ["train", *assignments, "--out", folder / "hasher", "--checkpoints", folder / "checkpoints"]
        script = ["-m", "tests.nsh_core.steps", json.dumps([orders(folder), list(map(str, train))])]
        made = in_a_fork("torchrun", ["--standalone", "--nproc-per-node", "2", *script], {"PYTHONPATH": str(ROOT)})
        assert made.returncode == 0, made.stderr
        (folder / "stdout").write_text(made.stdout)

    return once("two", make)


@pytest.mark.slow(14)
def test_a_step_of_two_processes_is_that_of_one(two, tmp_path):
    make_folder(tmp_path / "photos")
    for order in orders(tmp_path):
        step(*order)
    for name in CASES:
        one = load_file(tmp_path / f"{name}-1.safetensors")
        both = load_file(two / f"{name}-2.safetensors")
        assert set(one) == set(both)
        assert one["loss"].abs().item() > 0
        assert any(value.abs().max() > 1e-4 for key, value in one.items() if key.startswith("gradient hash_head"))
        for key, value in one.items():
            rounding = 1e-5 if name == "images" else 1e-6
            if name == "images tuned":  # many layers in float32
                assert (both[key] - value).double().norm() <= 1e-3 * value.double().norm(), key
            else:
                torch.testing.assert_close(both[key], value, rtol=rounding, atol=rounding)


def test_a_run_of_two_processes_gives_the_codes_of_one(two):
    assert (two / "stdout").read_text().count("val_map:") == 1
    alone = fit(make_config({}, RUN), load_dataset("digits"))
    tensors, facts = load_tensors(two / "hasher", "hasher")
    for name, value in alone.model.state_dict().items():
        torch.testing.assert_close(tensors[name], value, rtol=1e-3, atol=1e-4)
    assert facts["metrics"]["test_map"] == pytest.approx(alone.metrics["test_map"], abs=0.005)
    assert [record["epoch"] for record in facts["history"]] == [1, 2]
    assert json.loads(Path(two / "checkpoints" / "checkpoint.json").read_text())["epoch"] == 2


def test_normalisation_that_is_more_is_shared_with_all_of_it(torchvision):
    """As timm's, which holds an activation."""
    layers = pytest.importorskip("timm").layers
    one = layers.BatchNormAct2d(3)
    one.running_mean.normal_()
    one.bias.requires_grad_(False)
    shared = distributed._GlobalBatchNorm.of(one)
    assert shared.state_dict().keys() == one.state_dict().keys()
    assert [weight.requires_grad for weight in shared.parameters()] == [True, False]
    items = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(shared.eval()(items), one.eval()(items))
    assert shared(items).min() == 0


def test_a_batch_that_cannot_be_shared_is_told(monkeypatch):
    monkeypatch.setattr(distributed, "size", lambda: 3)
    with pytest.raises(UserError, match=r"train\.batch_size = 64 must be a multiple of the 3 processes"):
        distributed.own_part(torch.zeros(64, 2))
