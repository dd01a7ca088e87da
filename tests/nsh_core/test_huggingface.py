"""Hugging Face's data sets, by the real package; in memory, and shards of parquet."""

import sys

import numpy as np
import pytest

from nsh_core import UserError
from nsh_core.data import from_arrays, from_huggingface, from_torch
from tests.nsh_core.images import picture

hf = pytest.importorskip("datasets")

NAMES = ["red", "green", "blue"]
PICTURES = {"image": hf.Image(), "label": hf.ClassLabel(names=NAMES)}


def pictures(count: int, seed: int, **more) -> "hf.Dataset":
    """Images, grey every second one, with their labels, and columns of other kinds."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(count) % 3).tolist()
    images = [
        picture([label], rng, (16, 16 + label)).convert("L" if n % 2 else "RGB") for n, label in enumerate(labels)
    ]
    columns = {"image": images, "label": labels, "path": [f"{n}.png" for n in range(count)], "width": [16] * count}
    features = hf.Features(PICTURES | {"path": hf.Value("string"), "width": hf.Value("int64")})
    return hf.Dataset.from_dict(columns, features=features)


def splits(**parts: "hf.Dataset") -> "hf.DatasetDict":
    return hf.DatasetDict(parts)


def vectors(count: int, seed: int) -> "hf.Dataset":
    rng = np.random.default_rng(seed)
    return hf.Dataset.from_dict(
        {"vector": rng.normal(size=(count, 5)).astype(np.float32), "kind": [NAMES[n % 3] for n in range(count)]}
    )


def nudged(items, generator):
    return items + 0.1


def test_images_are_found_whatever_format_the_data_have():
    data = splits(train=pictures(30, 0), test=pictures(9, 1))
    pairs = {name: [(row["image"], row["label"]) for row in part] for name, part in data.items()}
    expected = from_torch(pairs["train"], pairs["train"], pairs["test"]).fingerprint()
    assert from_huggingface(data).fingerprint() == expected
    changed = data.with_format("torch")
    changed["test"].set_transform(lambda rows: {"image": [None] * len(rows["image"])}, columns=["image"])
    changed["train"] = changed["train"].cast_column("image", hf.Image(decode=False))
    assert from_huggingface(changed).fingerprint() == expected


def test_validation_and_splits_by_name():
    parts = {"train": pictures(30, 0), "validation": pictures(7, 1), "test": pictures(9, 2)}
    dataset = from_huggingface(splits(**parts))
    assert (len(dataset.validation), len(dataset.test)) == (7, 9)
    halved = from_huggingface(splits(**parts), query="validation")
    assert (len(halved.validation), len(halved.test)) == (4, 3)
    extra = splits(**parts, database=pictures(12, 3), query=pictures(5, 4))
    assert (len(from_huggingface(extra).database), len(from_huggingface(extra).test)) == (12, 5)
    assert len(from_huggingface(extra, database="train", query="test").database) == 30
    with pytest.raises(UserError, match="query must be items of its own, got those of validation"):
        from_huggingface(splits(**parts), query="test", validation="test")


def test_vectors_labels_of_text_and_shards_of_parquet(tmp_path):
    data = splits(train=vectors(30, 0), test=vectors(10, 1))
    arrays = {name: (part.with_format("numpy")["vector"][:], part["kind"][:]) for name, part in data.items()}
    train, query = arrays["train"], arrays["test"]
    expected = from_arrays(*train, *query, train=train[0], views=nudged).fingerprint()
    assert from_huggingface(data, views=nudged).fingerprint() == expected
    for name, part in data.items():
        for shard in range(2):
            part.shard(2, shard, contiguous=True).to_parquet(tmp_path / f"{name}-{shard}.parquet")
    files = {name: str(tmp_path / f"{name}-*.parquet") for name in data}
    read = hf.load_dataset("parquet", data_files=files, cache_dir=str(tmp_path / "cache"))
    assert from_huggingface(read, views=nudged).fingerprint() == expected


def test_one_split_is_divided_by_a_fixed_seed():
    whole = vectors(200, 0)
    first, again = (from_huggingface(whole, views=nudged) for _ in range(2))
    assert first.fingerprint() == again.fingerprint()
    assert (len(first.database), len(first.validation), len(first.test), first.num_train) == (180, 10, 10, 180)
    rows = np.concatenate([first.database.items, first.validation.items, first.test.items])
    np.testing.assert_array_equal(np.sort(rows, axis=0), np.sort(whole.with_format("numpy")["vector"][:], axis=0))
    assert len(from_huggingface(vectors(12, 0), views=nudged).test) == 1


def test_several_class_labels_are_multi_hot():
    features = hf.Features({"v": hf.List(hf.Value("float32"), length=4), "kinds": hf.List(hf.ClassLabel(names=NAMES))})
    part = hf.Dataset.from_dict({"v": np.eye(4, dtype=np.float32), "kinds": [[0], [2, 1], [], [1]]}, features=features)
    dataset = from_huggingface(splits(train=part, test=part), views=nudged)
    assert dataset.database.labels.tolist() == [[1, 0, 0], [0, 1, 1], [0, 0, 0], [0, 1, 0]]


def test_pixels_in_arrays_are_images():
    rng = np.random.default_rng(0)
    parts = [rng.integers(0, 256, (count, 3, 16, 16), np.uint8) for count in (20, 8)]
    features = hf.Features({"pixels": hf.Array3D((3, 16, 16), "uint8"), "label": hf.Value("int8")})
    data = [hf.Dataset.from_dict({"pixels": part, "label": [0] * len(part)}, features=features) for part in parts]
    expected = from_arrays(parts[0], [0] * 20, parts[1], [0] * 8, train=parts[0])
    assert from_huggingface(splits(train=data[0], test=data[1])).fingerprint() == expected.fingerprint()


ONE, OTHER = pictures(9, 0), pictures(9, 1)
TWO = {"train": ONE, "test": OTHER}
SECRET = OTHER.map(lambda row: {"label": -1})
TURNED = OTHER.cast_column("label", hf.ClassLabel(names=NAMES[::-1]))
UNCLEAR = ONE.remove_columns("label").add_column("number", [0] * 9)
VECTORS = vectors(9, 0)


def ragged(gap: bool = False) -> "hf.Dataset":
    rows = [[1.0, None, 3.0]] * 2 if gap else [[1.0, 2.0, 3.0], [1.0]]
    return hf.Dataset.from_dict({"vector": rows, "kind": ["a", "b"]})


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (splits(train=ONE), {}, "no split is called 'test', known: train: give query"),
        (splits(test=ONE), {}, "no split is called 'train', known: test: give train"),
        (splits(**TWO), {"query": "tset"}, "'tset' is none of the splits train, test; did you mean 'test'"),
        (splits(**TWO), {"query": "train"}, "query must be items of its own, got those of train"),
        (splits(train=ONE, test=pictures(0, 1)), {}, "huggingface: query holds no items"),
        (splits(train=ONE, test=OTHER.remove_columns("label")), {}, "split 'test' has no column 'label'"),
        (splits(**TWO), {"label": "lable"}, "label = 'lable' is none of the columns image .* did you mean 'label'"),
        (splits(train=ONE, test=SECRET), {}, "query: column 'label' holds -1, as where labels are"),
        (splits(train=ONE, test=TURNED), {}, "splits 'train' and 'test' have other classes in 'label'"),
        (splits(**TWO), {"label": "image"}, "must be an array of numbers"),
        (splits(**TWO), {"item": "path"}, r"column 'path' \(Value.*string.* holds neither images nor vectors"),
        (UNCLEAR, {}, "path, width, number may all be the label: give label"),
        (ONE.remove_columns("image"), {}, r"no column is known as the item: give item, one of label"),
        (ONE.to_iterable_dataset(), {}, "got IterableDataset: load what streams without streaming=True"),
        ([1, 2], {}, "data must be a datasets.Dataset or DatasetDict, got list"),
        (splits(train=VECTORS, test=ragged()), {"views": nudged}, "query: column .vector. holds vectors of several"),
        (splits(train=VECTORS, test=ragged(gap=True)), {"views": nudged}, "query: column 'vector' has gaps"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(data, options, message):
    with pytest.raises(UserError, match=message) as caught:
        from_huggingface(data, **options)
    assert "\n" not in str(caught.value)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UserError, match=r"needs the package datasets .*: pip install '\.\[huggingface\]'"):
        from_huggingface([])
