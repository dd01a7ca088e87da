import os
import shutil
from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image

from nsh_core import Hasher, UserError, fit, load_dataset, make_config
from nsh_core.codes import unpack
from nsh_core.data import Images, cifar, splits
from nsh_core.data.decode import decoded
from nsh_core.data.lists import read_list
from nsh_core.evaluation import continuous_map
from tests.nsh_core.images import make_folder, make_list, picture

SMALL = {"code_length": 8, "train": {"epochs": 2, "batch_size": 16}}


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("NSH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NSH_DATA", str(tmp_path / "data"))


def brute_force_map(query: np.ndarray, query_labels: np.ndarray, database: np.ndarray, labels: np.ndarray) -> float:
    """mAP over the whole database from codes in -1/+1 and multi-hot labels, a query at a time."""
    values = []
    for code, wanted in zip(query, query_labels, strict=True):
        order = sorted(range(len(database)), key=lambda i: int((database[i] != code).sum()))
        hits, total = 0, 0.0
        for rank, i in enumerate(order, 1):
            if (labels[i] & wanted).any():
                hits += 1
                total += hits / rank
        values.append(total / hits if hits else 0.0)
    return float(np.mean(values))


def index_labels(dataset: Images) -> np.ndarray:
    """Labels of the training images, which training never sees."""
    return dataset.database.labels[dataset.train_in_database]


def test_a_folder_by_class_trains_end_to_end(tmp_path):
    make_folder(tmp_path / "mine")
    dataset = load_dataset(f"imagefolder:{tmp_path / 'mine'}")
    assert (dataset.num_train, len(dataset.database), len(dataset.validation), len(dataset.test)) == (36, 36, 6, 6)
    assert Counter(dataset.database.labels.tolist()) == {0: 12, 1: 12, 2: 12}
    assert (np.diff(dataset.database.labels) < 0).any()  # shuffled, not in class order
    hasher = fit(make_config({"code_length": 8, "train": {"epochs": 25, "batch_size": 16}}), dataset)
    assert hasher.metrics["test_map"] > 0.8
    assert continuous_map(dataset, None)["test_map"] > 0.8
    neighbours = torch.from_numpy(index_labels(dataset))[dataset.training_neighbors(3)]
    assert (neighbours == torch.from_numpy(index_labels(dataset))[:, None]).float().mean() > 0.9
    hasher.save(tmp_path / "saved")
    loaded = Hasher.load(tmp_path / "saved")
    np.testing.assert_array_equal(loaded.encode(dataset.test), hasher.encode(dataset.test))
    pictures = dataset.pictures(dataset.test, np.arange(6))
    assert pictures.shape == (6, 16, 16, 3)
    np.testing.assert_array_equal(loaded.encode(pictures.transpose(0, 3, 1, 2)), hasher.encode(dataset.test))
    with pytest.raises(UserError, match=r"must have shape \[N, 3, H, W\], N >= 1, got \[6, 16, 16, 3\]"):
        loaded.encode(pictures)


def test_multi_label_lists_end_to_end_with_map_by_brute_force(tmp_path):
    made = make_list(tmp_path)
    dataset = load_dataset(f"list:{tmp_path / 'images.txt'}")
    assert (len(dataset.database), len(dataset.validation), len(dataset.test), dataset.num_train) == (54, 3, 3, 54)
    index = dataset.splits()
    assert sorted([*index["database"], *index["validation"], *index["test"]]) == list(range(60))
    np.testing.assert_array_equal(dataset.test.labels, made[index["test"]])
    hasher = fit(make_config(SMALL, ["map_at=54"]), dataset)
    codes = [unpack(hasher.encode(split), 8) for split in (dataset.test, dataset.database)]
    expected = brute_force_map(codes[0], dataset.test.labels, codes[1], dataset.database.labels)
    assert hasher.metrics["test_map"] == pytest.approx(expected, abs=1e-12)
    order = np.argsort(dataset.database.labels.argmax(axis=1), kind="stable")
    expected = brute_force_map(codes[0], dataset.test.labels, codes[1][order], dataset.database.labels[order])
    assert hasher.metrics["test_map_class_order"] == pytest.approx(expected, abs=1e-12)


def test_a_triple_of_lists_is_split_as_it_says(tmp_path):
    make_list(tmp_path)
    lines = (tmp_path / "images.txt").read_text().splitlines()
    parts = {"train": lines[10:30], "test": lines[:10], "database": lines[10:]}
    for name, part in parts.items():
        (tmp_path / f"{name}.txt").write_text("\n".join(part))
    dataset = load_dataset(f"list:{tmp_path}")
    index = dataset.splits()
    assert [len(index[name]) for name in ("train", "database", "validation", "test")] == [20, 50, 5, 5]
    assert set(index["train"]) <= set(index["database"])
    assert sorted(dataset.train_in_database) == sorted(
        np.flatnonzero(np.isin(index["database"], index["train"])).tolist()
    )
    assert fit(make_config(SMALL), dataset).metrics["test_map"] > 0
    pixels = dataset.plain(torch.tensor([3])) - dataset.images(index["train"][[3]])
    assert not pixels.any()


def test_images_that_are_too_small_for_the_network_are_refused(tmp_path):
    make_folder(tmp_path)
    picture([0], np.random.default_rng(0), (7, 9)).save(tmp_path / "train" / "class 0" / "0.png")  # all become as small
    config = make_config({"code_length": 8, "train": {"epochs": 1, "batch_size": 8}})
    with pytest.raises(UserError, match="takes images of at least 8 x 8 pixels, got 7 x 7"):
        fit(config, load_dataset(f"imagefolder:{tmp_path}"))


def test_images_are_decoded_once_and_again_when_they_change(tmp_path):
    rng = np.random.default_rng(0)
    paths = []
    for number, size in enumerate([(20, 30), (50, 20), (40, 40)]):
        paths.append(tmp_path / f"{number}.png")
        picture([0], rng, size).save(paths[-1])
    images, content = decoded(paths)
    assert images.shape == (3, 3, 20, 20)
    np.testing.assert_array_equal(images[0].transpose(1, 2, 0), np.asarray(Image.open(paths[0]))[:, 5:25])
    stored = list((tmp_path / "cache" / "images").glob("*/images.npy"))
    changed = stored[0].stat().st_mtime_ns
    assert decoded(paths)[1] == content
    assert stored[0].stat().st_mtime_ns == changed
    picture([1], rng, (20, 30)).save(paths[0])
    assert decoded(paths)[1] != content


def test_images_that_cannot_be_read_are_named(tmp_path):
    make_folder(tmp_path / "mine")
    broken = tmp_path / "mine" / "train" / "class 1" / "3.jpg"
    broken.write_bytes(b"no image")
    with pytest.raises(UserError, match=r"3\.jpg is no readable image"):
        load_dataset(f"imagefolder:{tmp_path / 'mine'}")
    assert not list((tmp_path / "cache").glob("images/*/facts.json"))
    with pytest.raises(UserError, match=r"1 of 2 images are missing, the first: .*gone\.png"):
        decoded([broken, tmp_path / "gone.png"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a.png 1 0\nb.png 1\n", r"line 2: expected a path and 2 labels of 0 or 1, got 'b\.png 1'"),
        ("a.png\n", r"line 1: expected a path and labels of 0 or 1, got 'a\.png'"),
        ("a.png 1 2\n", "line 1: expected a path and labels"),
        ("\n", "holds no images"),
    ],
)
def test_lists_that_do_not_fit_are_named(tmp_path, content, message):
    (tmp_path / "l.txt").write_text(content)
    with pytest.raises(UserError, match=message):
        read_list(tmp_path / "l.txt")


def test_a_list_that_is_a_pipe_is_named_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "l.txt")
    with pytest.raises(UserError, match=r"cannot read .*l\.txt: a file is expected, got a pipe"):
        load_dataset(f"list:{tmp_path / 'l.txt'}")


def test_lists_may_hold_blanks_and_digits_in_paths(tmp_path):
    (tmp_path / "l.txt").write_text("a 1 b.png 0 1\nc 0 1 1\n")
    paths, labels = read_list(tmp_path / "l.txt")
    assert paths == ["a 1 b.png", "c 0"]
    assert labels.tolist() == [[0, 1], [1, 1]]


CIFAR_LABELS = np.arange(60_000) % 10


@pytest.fixture
def cifar_binary(tmp_path):
    """CIFAR-10's binary files with the right sizes: the number of an image in its first pixels."""
    folder = tmp_path / "data" / "cifar10" / "cifar-10-batches-bin"
    folder.mkdir(parents=True)
    records = np.zeros((60_000, 3073), np.uint8)
    records[:, 0] = CIFAR_LABELS
    records[:, 1:5] = np.arange(60_000, dtype=">u4")[:, None].view(np.uint8)
    for number in range(6):
        name = "test_batch.bin" if number == 5 else f"data_batch_{number + 1}.bin"
        records[10_000 * number : 10_000 * (number + 1)].tofile(folder / name)
    return folder


def test_cifar_protocols(cifar_binary):
    dataset = load_dataset("cifar10")
    assert dataset.name == "cifar10:cibhash"
    index = dataset.splits()
    assert [len(index[name]) for name in ("train", "database", "validation", "test")] == [5000, 50_000, 5000, 5000]
    assert sorted(index["database"]) == list(range(50_000))
    assert sorted([*index["validation"], *index["test"]]) == list(range(50_000, 60_000))
    assert set(Counter(CIFAR_LABELS[index["train"]]).values()) == {500}
    assert index["train"].max() < 50_000
    numbers = np.ascontiguousarray(dataset.database.rows(slice(0, 100)).reshape(100, -1)[:, :4]).view(">u4")[:, 0]
    np.testing.assert_array_equal(numbers, index["database"][:100])
    assert dataset.default_map_at == 1000

    other = load_dataset("cifar10:59k")
    index = other.splits()
    assert [len(index[name]) for name in ("train", "database", "validation", "test")] == [5000, 59_000, 500, 500]
    queries = np.concatenate([index["validation"], index["test"]])
    assert set(Counter(CIFAR_LABELS[queries]).values()) == {100}
    assert set(Counter(CIFAR_LABELS[index["train"]]).values()) == {500}
    assert sorted([*index["database"], *queries]) == list(range(60_000))
    assert set(index["train"]) <= set(index["database"])
    assert other.fingerprint() != dataset.fingerprint()
    (cifar_binary / "test_batch.bin").write_bytes(b"short")
    with pytest.raises(UserError, match=r"test_batch\.bin must hold 10,000 records of 3,073 bytes, got 5 bytes"):
        load_dataset("cifar10")
    (cifar_binary / "test_batch.bin").unlink()
    os.mkfifo(cifar_binary / "test_batch.bin")
    with pytest.raises(UserError, match=r"cannot read .*test_batch\.bin: a file is expected, got a pipe"):
        load_dataset("cifar10")


def test_cifar_10_as_image_files_by_class(tmp_path, monkeypatch):
    make_folder(tmp_path / "data" / "cifar10")
    with pytest.raises(
        UserError,
        match=r"must hold CIFAR-10's 50,000 images in train/ and 10,000 in test/, got 36 and 12: imagefolder:",
    ):
        load_dataset("cifar10")
    monkeypatch.setattr(cifar, "_TRAIN", 36)
    monkeypatch.setattr(cifar, "_TEST", 12)
    drawn = splits.per_label
    monkeypatch.setattr(splits, "per_label", lambda labels, items, count, rng: drawn(labels, items, count // 100, rng))
    dataset, whole = load_dataset("cifar10"), load_dataset("imagefolder:cifar10")
    assert dataset.name == "cifar10:cibhash"
    assert dataset.num_train == 15
    np.testing.assert_array_equal(dataset.splits()["database"], whole.splits()["database"])
    np.testing.assert_array_equal(dataset.database.items, whole.database.items)
    np.testing.assert_array_equal(dataset.test.labels, whole.test.labels)


def test_cifar_100_has_fine_labels_behind_coarse_ones(tmp_path):
    folder = tmp_path / "data" / "cifar100" / "cifar-100-binary"
    folder.mkdir(parents=True)
    for name, start, count in (("train", 0, 50_000), ("test", 50_000, 10_000)):
        records = np.zeros((count, 3074), np.uint8)
        records[:, 0], records[:, 1] = 77, np.arange(start, start + count) % 100
        records[:, 2:6] = np.arange(start, start + count, dtype=">u4")[:, None].view(np.uint8)
        records.tofile(folder / f"{name}.bin")
    dataset = load_dataset("cifar100")
    index = dataset.splits()
    assert sorted(index["train"]) == sorted(index["database"]) == list(range(50_000))
    assert sorted([*index["validation"], *index["test"]]) == list(range(50_000, 60_000))
    numbers = np.ascontiguousarray(dataset.test.rows(slice(0, 100)).reshape(100, -1)[:, :4]).view(">u4")[:, 0]
    np.testing.assert_array_equal(numbers, index["test"][:100])
    np.testing.assert_array_equal(dataset.test.labels, index["test"] % 100)


def test_per_label_draws_are_distinct_and_fair():
    rng = np.random.default_rng(0)
    labels = (rng.random((3000, 21)) < 0.1).astype(np.uint8)
    found = splits.one_against_rest(labels, 20, 50)
    queries = np.concatenate([found.validation, found.test])
    assert len(set(queries)) == 420
    assert len(set(found.train)) == 1050
    assert not set(queries) & set(found.database)
    assert set(found.train) <= set(found.database)
    assert (labels[found.train].sum(axis=0) >= 50).all()
    with pytest.raises(UserError, match=r"label 0 has .* images left, the protocol draws 2000 of each label"):
        splits.one_against_rest(labels, 2000, 1)


@pytest.mark.parametrize(("kind", "labels"), [("nuswide", 81), ("mscoco", 80)])
def test_benchmarks_with_lists(tmp_path, monkeypatch, kind, labels):
    root = tmp_path / "data" / kind
    root.mkdir(parents=True)
    count = {"nuswide": 21 * 1200, "mscoco": 18_000}[kind]
    rng = np.random.default_rng(0)
    multi = np.zeros((count, labels), int)
    multi[np.arange(count), np.arange(count) % 21] = 1
    multi[rng.random(count) < 0.1] = 0
    (root / "images.txt").write_text("\n".join(f"i{n}.jpg {' '.join(map(str, row))}" for n, row in enumerate(multi)))
    monkeypatch.setattr(
        "nsh_core.data.sources.decoded", lambda paths: (np.zeros((len(paths), 3, 2, 2), np.uint8), "content")
    )
    dataset = load_dataset(kind)
    index = dataset.splits()
    kept = int(multi.any(axis=1).sum())
    queries, train = {"nuswide": (2100, 10_500), "mscoco": (5000, 10_000)}[kind]
    assert len(index["validation"]) + len(index["test"]) == queries
    assert len(index["database"]) == kept - queries
    assert len(index["train"]) == train
    assert dataset.database.labels.shape[1] == {"nuswide": 21, "mscoco": 80}[kind]
    assert dataset.database.labels.any(axis=1).all()
    assert dataset.default_map_at == 5000


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "nuswide",
            r"dataset nuswide is not in .*nuswide: fetch images from https.*NUS-WIDE.* and put the images there",
        ),
        ("mscoco", r"dataset mscoco is not in .*mscoco: fetch train2014 and val2014 from https"),
        ("mscoco:x", "dataset mscoco takes no argument, got 'x': set NSH_DATA"),
        ("cifar10:cifar", "knows the protocols cibhash and 59k, got 'cifar'"),
        ("imagefolder", "wants a folder: imagefolder:DIR"),
        ("imagefolder:/nowhere", "cannot read /nowhere/train, a folder of images by class: No such file"),
        ("list", "wants a file or folder"),
        ("list:/nowhere.txt", r"cannot read /nowhere\.txt: No such file"),
    ],
)
def test_what_is_missing_is_said(name, message):
    with pytest.raises(UserError, match=message):
        load_dataset(name)


def test_classes_must_be_the_same_in_both_parts(tmp_path):
    make_folder(tmp_path / "mine")
    shutil.rmtree(tmp_path / "mine" / "test" / "class 2")
    with pytest.raises(UserError, match=r"same classes, only one of them has class 2"):
        load_dataset(f"imagefolder:{tmp_path / 'mine'}")
    (tmp_path / "mine" / "test" / "class 2").mkdir()
    with pytest.raises(UserError, match="no images in class 2"):
        load_dataset(f"imagefolder:{tmp_path / 'mine'}")


def test_shallow_methods_want_features(tmp_path):
    make_folder(tmp_path / "mine")
    with pytest.raises(UserError, match=r"method itq needs the features of a frozen backbone, e\.g\. image\.backbone"):
        fit(make_config(SMALL, ["method.name=itq"]), load_dataset(f"imagefolder:{tmp_path / 'mine'}"))


def test_labels_do_not_reach_training_on_images(tmp_path):
    make_list(tmp_path)
    lines = (tmp_path / "images.txt").read_text().splitlines()
    (tmp_path / "other.txt").write_text("\n".join(line[:-5] + "1 1 1" for line in lines))
    first, second = (
        fit(make_config(SMALL), load_dataset(f"list:{tmp_path / name}.txt")) for name in ("images", "other")
    )
    for name, weight in first.model.state_dict().items():
        assert torch.equal(weight, second.model.state_dict()[name]), name
