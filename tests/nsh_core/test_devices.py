"""What is done otherwise where there is a GPU: the same code, told that there is one or given another device."""

import numpy as np
import pytest
import torch

from nsh_core import distributed, extraction, frozen, load_dataset, make_config, stackable
from nsh_core.data import augment
from nsh_core.extraction import extract
from nsh_core.frozen import FrozenBackbone, arithmetic
from nsh_core.search import commands
from nsh_core.sections import ImageConfig
from nsh_core.training.fitting import device_of
from nsh_core.training.run import Ending, Run
from nsh_core.training.step import Stack
from tests.nsh_core.images import make_folder

CNN = ImageConfig(backbone="small_cnn", size=32)


@pytest.fixture
def told_of_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)


def test_runs_train_on_a_gpu_where_there_is_one_and_each_process_on_its_own(told_of_a_gpu, monkeypatch):
    devices = [device_of(make_config({}, [f"train.device={name}"])) for name in ("auto", "cuda", "cpu")]
    assert devices == [torch.device("cuda"), torch.device("cuda"), torch.device("cpu")]
    monkeypatch.setattr("nsh_core.training.fitting.size", lambda: 2)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert device_of(make_config({})) == torch.device("cuda", 1)


def test_every_batch_is_stacked_on_a_gpu(told_of_a_gpu):
    assert stackable(make_config({}, ["train.batch_size=50"]))
    assert not stackable(make_config({}, ["train.batch_size=50", "train.device=cpu"]))


def test_a_step_in_bfloat16_is_nearly_that_in_float32(digits):
    losses, gradients = [], []
    for bf16 in (False, True):
        run = Run(make_config({}), digits, Ending())
        assert not run.bf16  # the CPU always runs in float32
        run.bf16 = bf16
        [loss] = Stack([run]).step([torch.cat(run.views(run.begin_epoch()[:64]))])["loss"]
        losses.append(loss)
        gradients.append(torch.cat([own.grad.flatten() for own in run.model.parameters()]))
    assert {gradient.dtype for gradient in gradients} == {torch.float32}
    assert losses[0] != losses[1] == pytest.approx(losses[0].item(), rel=0.02)
    assert torch.cosine_similarity(*gradients, dim=0) > 0.98


def test_features_in_bfloat16_are_nearly_those_in_float32(monkeypatch):
    backbone = FrozenBackbone(CNN)
    images = torch.rand(6, 3, 32, 32)
    with torch.inference_mode():
        whole, half = backbone.alone(images), backbone._in_bfloat16(images)
    assert half.dtype == np.float32
    np.testing.assert_allclose(half, whole, atol=0.03 * np.abs(whole).max())
    assert (half != whole).any()
    monkeypatch.setattr(backbone, "device", torch.device("meta"))
    monkeypatch.setattr(backbone, "_in_bfloat16", len)
    assert (backbone(images), backbone.alone(images)) == (6, 6)  # a whole batch at once, by no threads


def test_where_frozen_backbones_compute_is_said(told_of_a_gpu):
    assert arithmetic() == "bfloat16 on cuda"


def test_a_gpu_is_fed_by_several_threads(tmp_path, monkeypatch):
    class Fed(Exception):
        """With so many threads."""

    def count(work, items, threads):
        raise Fed(threads)
        yield

    make_folder(tmp_path / "photos")
    monkeypatch.setattr(frozen, "device_of_frozen", lambda: torch.device("meta"))
    monkeypatch.setattr(extraction, "in_order", count)
    with pytest.raises(Fed, match=str(extraction._THREADS_OF_A_GPU)):
        extract(load_dataset(f"imagefolder:{tmp_path / 'photos'}"), CNN, tmp_path / "f.npz", views=2)


def test_views_are_the_same_however_many_are_made_at_once(monkeypatch):
    images = torch.rand(7, 3, 40, 40)
    views = []
    for pixels in (1, 2**30):  # the CPU's way, and that of a GPU, which makes all at once
        monkeypatch.setattr(augment, "_PIXELS", pixels)
        views.append(augment.random_views(images, "moco", 64, torch.Generator().manual_seed(1)))
    torch.testing.assert_close(*views)


def test_a_search_encodes_on_a_gpu_but_for_a_hasher_of_the_cpu(told_of_a_gpu, hasher, monkeypatch):
    moved = []
    monkeypatch.setattr(hasher.model, "to", moved.append)
    assert commands._on_the_gpu(hasher) is hasher
    monkeypatch.setattr(hasher, "config", make_config({}, ["train.device=cpu"]))
    assert commands._on_the_gpu(hasher) is hasher
    assert moved == ["cuda"]


@pytest.mark.parametrize(("gpus", "backend"), [(2, "nccl"), (1, "gloo")])
def test_processes_talk_by_nccl_where_each_has_a_gpu(told_of_a_gpu, monkeypatch, gpus, backend):
    joined = []
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(distributed.dist, "init_process_group", joined.append)
    monkeypatch.setattr(distributed.dist, "destroy_process_group", lambda: joined.append("left"))
    with distributed.processes():
        assert joined == [backend]
    assert joined == [backend, "left"]
