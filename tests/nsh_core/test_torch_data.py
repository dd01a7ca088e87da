"""Data sets of torch.utils.data, and lists that serve as such."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from nsh_core import UserError, fit, load_dataset, make_config
from nsh_core.data import from_arrays, from_torch
from tests.nsh_core.images import make_folder, picture

LABELS = [0, 1, 2, 0, 1, 2, 0, 1]


class Pictures(Dataset):
    """Pairs (image, label) as torchvision gives them."""

    def __init__(self, seed: int, count: int = 8, mode: str = "RGB", size: tuple[int, int] = (16, 16)) -> None:
        rng = np.random.default_rng(seed)
        self.items = [(picture([label], rng, size).convert(mode), label) for label in (LABELS * 9)[:count]]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, place: int) -> tuple[Image.Image, int]:
        return self.items[place]


class Stream(IterableDataset):
    def __iter__(self):
        return iter([])

    def __len__(self) -> int:
        return 3


class Random(Pictures):
    """With a random transform."""

    def __getitem__(self, place: int) -> tuple[Image.Image, int]:
        return Image.fromarray(np.random.default_rng().integers(0, 255, (16, 16, 3), np.uint8)), 0


class Fails(Pictures):
    def __getitem__(self, place: int) -> tuple[Image.Image, int]:
        if place == 3:
            raise OSError("disk on fire")
        return super().__getitem__(place)


def pixels(data: Dataset) -> np.ndarray:
    return np.stack([np.asarray(image) for image, _ in data])


def test_images_are_those_of_their_arrays_and_train():
    train, query = Pictures(0, 40), Pictures(1, 12)
    labels, query_labels = ([label for _, label in part] for part in (train, query))
    array = pixels(train)
    expected = from_arrays(array, labels, pixels(query), query_labels, train=array)
    assert from_torch(train, train, query).fingerprint() == expected.fingerprint()
    tensors = TensorDataset(torch.from_numpy(pixels(query)).permute(0, 3, 1, 2) / 255, torch.tensor(query_labels))
    alone = [image for image, _ in train]
    mixed = from_torch(alone, alone, tensors, database_labels=labels)
    assert mixed.fingerprint() == expected.fingerprint()
    hasher = fit(make_config({"code_length": 8, "train": {"epochs": 1, "batch_size": 16}}), mixed)
    assert len(hasher.encode(mixed.test)) == 6


def test_images_are_those_that_files_of_theirs_are(tmp_path, monkeypatch):
    monkeypatch.setenv("NSH_CACHE", str(tmp_path / "cache"))
    make_folder(tmp_path / "mine")
    files = load_dataset(f"imagefolder:{tmp_path / 'mine'}")
    train, query = (
        [
            (Image.open(path), label)
            for label in range(3)
            for path in sorted((tmp_path / "mine" / part / f"class {label}").iterdir())
        ]
        for part in ("train", "test")
    )
    assert from_torch(train, train, query).fingerprint() == files.fingerprint()


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK", "I;16"])
def test_images_of_every_mode_and_size_become_alike(mode):
    train = [*Pictures(0, 6), *Pictures(1, 4, size=(20, 33))]
    query = Pictures(2, 4)
    given = [(image.convert("L" if mode == "I;16" else mode).convert(mode), label) for image, label in query]
    dataset = from_torch(train, train, given)
    assert dataset.test.rows(slice(0, 2)).shape == (2, 3, 16, 16)
    if mode in ("RGBA", "CMYK"):
        expected = from_torch(train, train, query)
        difference = dataset.test.rows(slice(0, 2)).astype(int) - expected.test.rows(slice(0, 2))
        assert abs(difference).max() <= 2


def test_vectors_and_their_views():
    rng = np.random.default_rng(0)
    views = torch.from_numpy(rng.normal(size=(20, 3, 5)))
    database, query = (torch.from_numpy(rng.normal(size=(count, 5))).float() for count in (30, 10))
    labels = [torch.arange(count) % 3 for count in (30, 10)]
    pairs = [TensorDataset(database, labels[0]), TensorDataset(query, labels[1])]
    expected = from_arrays(database, labels[0], query, labels[1], train_views=views)
    assert from_torch(TensorDataset(views), *pairs).fingerprint() == expected.fingerprint()
    drawn = from_torch(Subset(pairs[0], range(20)), *pairs, views=lambda items, _: items)
    torch.testing.assert_close(drawn.plain(torch.arange(20)), database[:20])
    several = torch.nn.functional.one_hot(labels[1], 3)
    multi = from_torch(
        views,
        TensorDataset(database, several.repeat(3, 1)),
        TensorDataset(query[:8], several[:8]),
        validation=TensorDataset(query[8:], several[8:]),
    )
    assert (len(multi.validation), len(multi.test), multi.test.labels.shape) == (2, 8, (8, 3))


GOOD = Pictures(0)
VECTORS = [([0.0, 1.0], 0)] * 6


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"query": Stream()}, "torch: query must be a map-style data set, with len and .index., got Stream: read what"),
        ({"query": DataLoader(GOOD)}, "query must be a map-style data set, .* got DataLoader"),
        ({"query": (one for one in GOOD)}, "query must be a map-style data set, .* got generator"),
        ({"query": 3}, "query must be a map-style data set, .* got int"),
        ({"train": None}, "train must be a map-style data set, .* got NoneType"),
        ({"database": None}, "database must be a map-style data set, .* got NoneType"),
        ({"database": []}, "torch: database holds no items"),
        ({"query": Subset(GOOD, [])}, "torch: query holds no items"),
        ({"query": Fails(0)}, r"torch: query\[3\] failed: OSError: disk on fire"),
        ({"query": Random(0)}, r"query\[0\] is another one each time it is read: leave random transforms out"),
        ({"query": GOOD}, "torch: query must be items of its own, got those of train"),
        ({"query": [image for image, _ in GOOD]}, "query holds items alone: give pairs"),
        ({"query": [*GOOD, GOOD[0][0]]}, "query holds 8 pairs .item, label. among 9 items"),
        ({"query": [(image, label, 1) for image, label in GOOD]}, "or a pair .item, label., got a tuple of 3"),
        ({"query": [{"image": GOOD[0][0]}] * 3}, "got a dict: from_huggingface takes columns by name"),
        ({"query": [("a", 0)] * 3}, r"query\[0\] must be images"),
        ({"query": [(GOOD[0][0].convert("F"), 0)] * 3}, r"query\[0\] is no readable image: .*32 bits each .mode F"),
        ({"query": [(image, None) for image, _ in Pictures(1)]}, "label 0 must be an array of numbers, got object"),
        (
            {"query": [(image, [0] * label) for image, label in Pictures(1)]},
            "labels must be an array of numbers: Value",
        ),
        ({"query": Pictures(1), "query_labels": [0, 1]}, r"query_labels must have shape \[8\]"),
        ({"query": [(np.zeros((3, 16, 16)) - 2, 0)] * 3}, r"query\[0\] must be images in uint8, or floats in \[0, 1\]"),
        ({"query": [(np.zeros((4, 16, 16)), 0)] * 3}, r"query\[0\] must be images .* got \[1, 4, 16, 16\]"),
        ({"train": VECTORS}, r"train\[0\] must be images"),
        ({"views": lambda items, _: items}, "views of images are drawn by image.views"),
        ({"database": VECTORS}, r"train\[0\] is an image, and the database holds vectors"),
        (
            {"database": VECTORS, "train": [[0.0, 1.0]] * 3 + [[1.0]], "query": VECTORS[:]},
            r"train\[3\] is float64 \[1\], torch: train\[0\] is float64 \[2\]: they must be alike",
        ),
        (
            {"database": [([0, 1], 0)] * 6, "train": [VECTORS] * 4, "query": VECTORS[:]},
            r"torch: train\[0\] must be an array of numbers",
        ),
        (
            {"database": [([0, 1], 0)] * 6, "train": [np.ones((2, 2))] * 4, "query": VECTORS[:]},
            "database must be uint8 or floating point, got int64",
        ),
    ],
)
def test_what_does_not_fit_is_named(given, message):
    whole = {"train": GOOD, "database": GOOD, "query": Pictures(1)} | given
    with pytest.raises(UserError, match=message) as caught:
        from_torch(**whole)
    assert "\n" not in str(caught.value)
