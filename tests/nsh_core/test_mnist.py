import gzip
import types
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from nsh_core import Hasher, UserError, fit, load_dataset, make_config
from nsh_core.data import Images, mnist, splits
from nsh_core.data.fingerprint import fingerprint_of
from nsh_core.evaluation import continuous_map
from tests.nsh_core.test_idx import idx

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
TRAIN, TEST = 6_000, 1_000  # a tenth, to be quick
LABELS = {"train": np.arange(TRAIN) % 10, "t10k": np.arange(TEST) % 10}


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("NSH_DATA", str(tmp_path))
    monkeypatch.setattr(mnist, "_DEBIAN", tmp_path / "debian")
    monkeypatch.setattr(mnist, "_PARTS", (("train", TRAIN), ("t10k", TEST)))
    monkeypatch.setattr("nsh_core.data.fetching.need", fails)


def fails(package: str, whom: str) -> None:
    raise UserError(f"{whom} needs the package {package}")


def write(folder: Path) -> None:
    """The four files with the right sizes, the number of an image in its first pixels, labels packed."""
    folder.mkdir(parents=True)
    for part, labels in LABELS.items():
        images = np.zeros((len(labels), 28, 28), np.uint8)
        images[:, 0, :4] = np.arange(len(labels), dtype=">u4")[:, None].view(np.uint8)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels.astype(np.uint8)), 1))


def numbers(dataset: Images, part: str, count: int = 200) -> np.ndarray:
    pixels = getattr(dataset, part).rows(slice(0, count))
    return np.ascontiguousarray(pixels[:, 0, 0, :4]).view(">u4")[:, 0]


@pytest.mark.parametrize(
    ("name", "place"),
    [("fashion_mnist", "fashion_mnist"), ("fashion_mnist", "debian"), ("mnist", "mnist/MNIST/raw"), ("mnist", "mnist")],
)
def test_all_training_images_train_and_test_images_are_queries(tmp_path, name, place):
    write(tmp_path / place)
    dataset = load_dataset(name)
    assert dataset.name == name
    assert dataset.default_map_at == 1000
    index = dataset.splits()
    assert sorted(index["train"]) == sorted(index["database"]) == list(range(TRAIN))
    assert sorted([*index["validation"], *index["test"]]) == list(range(TRAIN, TRAIN + TEST))
    assert len(index["test"]) == TEST // 2
    np.testing.assert_array_equal(numbers(dataset, "database"), index["database"][:200])
    np.testing.assert_array_equal(numbers(dataset, "test") + TRAIN, index["test"][:200])
    np.testing.assert_array_equal(dataset.test.labels, index["test"] % 10)


def test_the_protocol_of_the_field_trains_on_500_a_class(tmp_path):
    write(tmp_path / "fashion_mnist")
    dataset = load_dataset("fashion_mnist:cibhash")
    assert (dataset.num_train, len(dataset.database), len(dataset.test)) == (5000, TRAIN, TEST // 2)
    assert set(Counter(dataset.splits()["train"] % 10).values()) == {500}
    assert dataset.fingerprint() != load_dataset("fashion_mnist").fingerprint()
    with pytest.raises(UserError, match=r"knows the protocol cibhash, or none: all train; got '59k'"):
        load_dataset("fashion_mnist:59k")


def test_files_that_do_not_fit_are_named(tmp_path):
    write(tmp_path / "mnist")
    (tmp_path / "mnist" / "t10k-labels-idx1-ubyte").write_bytes(idx(np.full(TEST, 10, np.uint8)))
    with pytest.raises(UserError, match=r"t10k-labels-idx1-ubyte must hold labels from 0 to 9, got 10"):
        load_dataset("mnist")
    (tmp_path / "mnist" / "t10k-labels-idx1-ubyte").write_bytes(idx(np.zeros(TEST - 1, np.uint8)))
    with pytest.raises(UserError, match=r"must hold bytes \[1000\], got \[999\]"):
        load_dataset("mnist")
    (tmp_path / "mnist" / "t10k-images-idx3-ubyte").unlink()
    with pytest.raises(UserError, match=r"cannot read .*t10k-images-idx3-ubyte: No such file"):
        load_dataset("mnist")


def test_what_is_missing_is_said_and_torchvision_is_asked_where_it_keeps_it(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"is not in .*fashion_mnist: install Debian's package \(apt-get install data.*"
                       r"needs the package torchvision"):  # fmt: skip
        load_dataset("fashion_mnist")

    def fetch(root: str, train: bool, download: bool) -> None:
        assert (train, download) == (True, True)
        write(Path(root) / "MNIST" / "raw")

    torchvision = types.SimpleNamespace(datasets=types.SimpleNamespace(MNIST=fetch))
    monkeypatch.setattr("nsh_core.data.fetching.need", lambda package, whom: torchvision)
    assert load_dataset("mnist").num_train == TRAIN
    monkeypatch.setattr("nsh_core.data.fetching.need", fails)
    assert load_dataset("mnist").num_train == TRAIN  # fetched once

    def breaks(root: str, train: bool, download: bool) -> None:
        raise RuntimeError("Error downloading\n x.gz")

    torchvision.datasets.FashionMNIST = breaks
    monkeypatch.setattr("nsh_core.data.fetching.need", lambda package, whom: torchvision)
    with pytest.raises(UserError, match=r"where there is a network; that failed \(Error downloading x\.gz\)$"):
        load_dataset("fashion_mnist")


def grey_images(channels: int) -> Images:
    """Stripes across, down or slanted, a class each; the one channel, or the same three times."""
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    across, down = np.mgrid[:16, :16]
    kinds = np.stack([across, down, across + down]) // 4 % 2
    grey = np.clip(200 * kinds[labels] + rng.normal(20, 15, (90, 16, 16)), 0, 255).astype(np.uint8)
    images = np.repeat(grey[:, None], channels, axis=1)
    return Images("grey", images, fingerprint_of([images]), labels, splits.all_train(60, 90), None)


def test_one_channel_gives_what_three_alike_give():
    one, three = grey_images(1), grey_images(3)
    index = torch.arange(60)
    for recipe in ("simclr", "cibhash"):
        views, wide = (
            data.viewed(recipe, 16).one_view(index, torch.Generator().manual_seed(1)) for data in (one, three)
        )
        assert views.shape == (60, 3, 16, 16)
        torch.testing.assert_close(views, wide, atol=1e-5, rtol=0)
    for values, other in zip(one.database.batches(), three.database.batches(), strict=True):
        assert torch.equal(values, other)
    assert torch.equal(one.plain(index), three.plain(index))
    assert continuous_map(one, None) == pytest.approx(continuous_map(three, None), abs=1e-6)
    assert torch.equal(one.training_neighbors(3), three.training_neighbors(3))
    assert one.pictures(one.test, np.arange(2)).shape == (2, 16, 16)


def test_grey_images_train_and_are_stored_as_they_are(tmp_path):
    dataset = grey_images(1)
    config = make_config({"code_length": 8, "train": {"epochs": 5, "batch_size": 16}})
    hasher = fit(config, dataset)
    assert hasher.metrics["test_map"] > 0.5  # a third by chance
    again = load_dataset(dataset.stored(tmp_path / "kept"))
    assert again.fingerprint() == dataset.fingerprint()
    assert fit(config, again).codes_sha256 == hasher.codes_sha256
    hasher.save(tmp_path / "hasher")
    saved = Hasher.load(tmp_path / "hasher")
    np.testing.assert_array_equal(saved.encode(dataset.test), hasher.encode(dataset.test))


@pytest.mark.skipif(not DEBIAN.exists(), reason="no dataset-fashion-mnist here")
def test_debians_package_is_fashion_mnist(monkeypatch):
    monkeypatch.setattr(mnist, "_DEBIAN", DEBIAN)
    monkeypatch.setattr(mnist, "_PARTS", (("train", 60_000), ("t10k", 10_000)))
    dataset = load_dataset("fashion_mnist")
    labels = np.concatenate([dataset.validation.labels, dataset.test.labels])
    assert Counter(dataset.database.labels.tolist()) == dict.fromkeys(range(10), 6000)
    assert Counter(labels.tolist()) == dict.fromkeys(range(10), 1000)
    # What everybody normalises it by.
    assert dataset.database.items[:60_000].mean() / 255 == pytest.approx(0.2860, abs=1e-4)
