import contextlib
import hashlib
import json
import random
import re
import signal
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from nsh_core import UserError, extraction, fit, frozen, load_dataset, make_config, preparation
from nsh_core.__main__ import app
from nsh_core.data.augment import random_views
from nsh_core.evaluation import continuous_map
from nsh_core.extraction import extract
from nsh_core.preparation import features_to_come, prepared
from nsh_core.registry import BACKBONES
from nsh_core.sections import ImageConfig
from tests.nsh_core.images import make_folder, make_list
from tests.study.commands import Fork, in_a_fork

CNN = ImageConfig(backbone="small_cnn")


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("NSH_CACHE", str(tmp_path / "cache"))
    make_folder(tmp_path / "mine")
    return tmp_path / "mine"


def command(folder: Path, out: Path, *options: str) -> list[str]:
    base = ["features", "--dataset", f"imagefolder:{folder}", "--out", str(out)]
    return [*base, "--backbone", "small_cnn", "--views", "3", *options]


def digest(path: Path) -> str:
    """Of a file, or of all files in a folder by name."""
    if not path.is_dir():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    return hashlib.sha256(b"".join(f.name.encode() + f.read_bytes() for f in sorted(path.iterdir()))).hexdigest()


@pytest.mark.slow(4)
@pytest.mark.parametrize("out", ["f.npz", "folder"])
def test_killed_at_random_moments_the_file_is_the_same_byte_for_byte(folder, tmp_path, out):
    whole, killed = tmp_path / "whole" / out, tmp_path / "killed" / out
    for path in (whole, killed):
        path.parent.mkdir()
    assert in_a_fork("nsh_core", command(folder, whole, "--batch", "3")).returncode == 0
    working = killed.with_name(f"{out}.partial")
    rng = random.Random(out)
    kills = 0
    for delay in (0, rng.uniform(0, 0.3), rng.uniform(0, 0.3)):
        process = Fork("nsh_core", *command(folder, killed, "--batch", "3"))
        while process.poll() is None and not working.exists():
            time.sleep(0.001)
        time.sleep(delay)
        process.kill()
        kills += process.wait() == -signal.SIGKILL
        if killed.exists():
            break
    if not killed.exists() or list(killed.parent.glob("*.partial")):
        assert in_a_fork("nsh_core", command(folder, killed, "--batch", "3")).returncode == 0
    assert kills > 0
    assert digest(killed) == digest(whole)
    assert [path.name for path in killed.parent.iterdir()] == [out]


@pytest.mark.parametrize("out", ["f.npz", "folder"])
@pytest.mark.parametrize("step", ["_pack", "replace", "rmtree", "unlink"])
def test_stopped_while_it_is_put_in_place(folder, tmp_path, monkeypatch, out, step):
    dataset = load_dataset(f"imagefolder:{folder}")
    whole, stopped = tmp_path / "whole" / out, tmp_path / "stopped" / out
    extract(dataset, CNN, whole, views=3, batch=9)
    owner = {"_pack": extraction._Work, "replace": extraction.os, "rmtree": extraction.shutil, "unlink": Path}[step]
    real = getattr(owner, step)

    def stop(*arguments, **options):
        if step == "replace" and Path(arguments[1]) != stopped:  # progress is written so too
            return real(*arguments, **options)
        raise Stop

    with monkeypatch.context() as patch:
        patch.setattr(owner, step, stop)
        with contextlib.suppress(Stop):  # a folder is not packed, a file has nothing to unlink
            extract(dataset, CNN, stopped, views=3, batch=9)
    if list(stopped.parent.glob("*.partial")):
        app(command(folder, stopped, "--batch", "9"), standalone_mode=False)
    assert digest(stopped) == digest(whole)
    assert [path.name for path in stopped.parent.iterdir()] == [out]


class Stop(Exception):
    pass


@pytest.mark.parametrize("after", [1, 13, 14, 25])
def test_stopped_after_any_batch_the_file_is_the_same(folder, tmp_path, monkeypatch, after):
    dataset = load_dataset(f"imagefolder:{folder}")
    monkeypatch.setattr(extraction, "_SAVE_SECONDS", 0)
    extract(dataset, CNN, tmp_path / "whole.npz", views=3, batch=9)
    seen = []

    def stop(completed: int, total: int) -> None:
        seen.append((completed, total))
        if len(seen) == after:
            raise Stop

    try:
        extract(dataset, CNN, tmp_path / "stopped.npz", views=3, batch=9, on_progress=stop)
    except Stop:
        assert not (tmp_path / "stopped.npz").exists()
        extract(dataset, CNN, tmp_path / "stopped.npz", views=3, batch=9)
    assert digest(tmp_path / "stopped.npz") == digest(tmp_path / "whole.npz")
    assert seen[0][1] == 36 * 3 + 36 + 12
    assert sorted(seen) == seen


@pytest.mark.parametrize("name", ["small_cnn", "efficientnet_lite0"])
def test_any_number_of_threads_gives_the_same_bytes(folder, tmp_path, name):
    if name != "small_cnn":
        pytest.importorskip("efficientnet_lite_pytorch")
    image = ImageConfig(backbone=name, weights="random", size=48)
    dataset = load_dataset(f"imagefolder:{folder}")
    before = torch.get_num_threads()
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            extract(dataset, image, tmp_path / f"{threads}.npz", views=3, batch=9)
    finally:
        torch.set_num_threads(before)
    assert len({digest(tmp_path / f"{threads}.npz") for threads in (1, 3)}) == 1


def test_features_say_how_they_were_computed_and_go_on_in_no_other_way(folder, tmp_path, monkeypatch):
    dataset = load_dataset(f"imagefolder:{folder}")
    facts = extract(dataset, CNN, tmp_path / "f.npz", views=2)
    with zipfile.ZipFile(tmp_path / "f.npz") as archive:
        assert json.loads(archive.read("facts.json")) == facts
    assert facts["arithmetic"] == frozen.arithmetic()
    assert frozen.arithmetic().startswith("bfloat16 on cuda" if torch.cuda.is_available() else "float32 on cpu")

    def stop(completed: int, total: int) -> None:
        raise Stop

    with pytest.raises(Stop):
        extract(dataset, CNN, tmp_path / "g.npz", views=2, on_progress=stop)
    monkeypatch.setattr(extraction, "arithmetic", lambda: "another")
    with pytest.raises(UserError, match=r"g\.npz\.partial holds an extraction with another arithmetic: remove it"):
        extract(dataset, CNN, tmp_path / "g.npz", views=2)


def test_features_are_those_of_the_backbone(folder, tmp_path):
    dataset = load_dataset(f"imagefolder:{folder}")
    facts = extract(dataset, CNN, tmp_path / "f.npz", views=2, batch=8, dtype=np.float32)
    features = load_dataset(f"features:{tmp_path / 'f.npz'}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = frozen.build_backbone(CNN).eval()
    with torch.no_grad():
        database = torch.cat([net(batch) for batch in dataset.database.batches()])
        torch.testing.assert_close(torch.from_numpy(features.database.items), database, atol=1e-5, rtol=1e-4)
        test = torch.cat([net(batch) for batch in dataset.test.batches()])
        torch.testing.assert_close(torch.from_numpy(features.test.items), test, atol=1e-5, rtol=1e-4)
        first = dataset.images(dataset.splits()["train"][[0, 0, 1, 1, 2, 2, 3, 3]])
        views = net(random_views(first, "simclr", 16, torch.Generator().manual_seed(0)))
        stored = np.load(tmp_path / "f.npz")["train_views"][:4].reshape(8, -1)
        torch.testing.assert_close(torch.from_numpy(stored), views, atol=1e-5, rtol=1e-4)
    np.testing.assert_array_equal(features.test.labels, dataset.test.labels)
    np.testing.assert_array_equal(features.validation.labels, dataset.validation.labels)
    clean = torch.cat(list(features.training_items()))
    place = np.argsort(dataset.splits()["database"])
    torch.testing.assert_close(clean, torch.from_numpy(features.database.items[place]))
    assert len(facts["fingerprint"]) == 16


def test_the_mapped_form_holds_the_same_and_is_mapped(folder, tmp_path):
    dataset = load_dataset(f"imagefolder:{folder}")
    packed = extract(dataset, CNN, tmp_path / "f.npz", views=2)
    mapped = extract(dataset, CNN, tmp_path / "f", views=2)
    assert packed == mapped
    first, second = load_dataset(f"features:{tmp_path / 'f.npz'}"), load_dataset(f"features:{tmp_path / 'f'}")
    assert isinstance(second.database.items, np.memmap)
    assert second.fingerprint() == mapped["fingerprint"]
    np.testing.assert_array_equal(first.database.items, second.database.items)
    config = make_config({"code_length": 8, "train": {"epochs": 2, "batch_size": 16}})
    np.testing.assert_array_equal(fit(config, first).encode(first.test), fit(config, second).encode(second.test))


def test_work_of_another_kind_is_not_taken_up(folder, tmp_path, monkeypatch):
    dataset = load_dataset(f"imagefolder:{folder}")

    def stop(completed: int, total: int) -> None:
        raise Stop

    with pytest.raises(Stop):
        extract(dataset, CNN, tmp_path / "f.npz", views=3, on_progress=stop)
    with pytest.raises(UserError, match=r"f\.npz\.partial holds an extraction with another train_views: remove it"):
        extract(dataset, CNN, tmp_path / "f.npz", views=4)


def test_the_command_says_what_does_not_fit(folder, tmp_path):
    for options, message in (
        (("--dtype", "int8"), "--dtype must be float16 or float32, got 'int8'"),
        (("--recipe", "byol"), "image.views: Input should be 'simclr', 'cibhash' or 'moco', got 'byol'"),
        (("--dataset", "digits"), "digits holds no images: features are extracted from images"),
        (("--out", str(folder)), "is there already: remove it, or choose another place"),
    ):
        with pytest.raises(UserError, match=re.escape(message)):
            app(command(folder, tmp_path / "f.npz", *options), standalone_mode=False)


def test_a_frozen_backbone_is_extracted_once_and_used_by_every_run(tmp_path, monkeypatch):
    monkeypatch.setenv("NSH_CACHE", str(tmp_path / "cache"))
    make_list(tmp_path)
    dataset = load_dataset(f"list:{tmp_path / 'images.txt'}")
    # A backbone that needs no package stands in for a pre-trained one.
    monkeypatch.setattr(frozen, "build_backbone", lambda image: Colours())
    calls = []
    monkeypatch.setattr(preparation, "extract", lambda *a, **k: calls.append(a) or extract(*a, **k))
    image = {"backbone": "efficientnet_lite0", "size": 32, "stored_views": 2}
    base = {"code_length": 8, "image": image, "train": {"epochs": 3, "batch_size": 16}}
    to_come = features_to_come(make_config(base), dataset)
    first, second = (fit(make_config(base, [f"method.name={name}"]), dataset) for name in ("nsh", "itq"))
    assert len(calls) == 1
    assert first.dim == second.dim == 24
    assert features_to_come(make_config(base), dataset) == 0
    arrays = [np.load(file) for file in (tmp_path / "cache").glob("features/*/*.npy")]
    assert (
        to_come * first.dim
        == sum(array.nbytes for array in arrays if array.dtype == np.float16) * BACKBONES["efficientnet_lite0"].dim
    )
    features = prepared(make_config(base), dataset)
    assert features.name == dataset.name
    np.testing.assert_array_equal(features.test.labels, dataset.test.labels)
    np.testing.assert_array_equal(features.splits()["test"], dataset.splits()["test"])
    where = np.arange(3)
    np.testing.assert_array_equal(features.pictures(features.test, where), dataset.pictures(dataset.test, where))
    assert continuous_map(features, None)["test_map"] > 0.7
    assert (
        json.loads(next((tmp_path / "cache").glob("features/*/facts.json")).read_text())["backbone"]
        == "efficientnet_lite0"
    )
    prepared(make_config(base, ["image.views=moco"]), dataset)
    assert len(calls) == 2


def test_features_that_float16_does_not_reach_are_refused(folder, tmp_path, monkeypatch):
    class Large(Colours):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return 1e6 * super().forward(images)

    dataset = load_dataset(f"imagefolder:{folder}")
    monkeypatch.setattr(frozen, "build_backbone", lambda image: Large())
    with pytest.raises(UserError, match=r"features of train_views, rows from 0, hold NaN .* infinite in float16"):
        extract(dataset, CNN, tmp_path / "f.npz", views=2)
    extract(dataset, CNN, tmp_path / "g.npz", views=2, dtype=np.float32)


class Colours(torch.nn.Module):
    dim = 24

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.adaptive_avg_pool2d(images, (8, 1)).flatten(1)
