import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from nsh_core import UserError, load_dataset
from nsh_core.data import Dataset, Split
from nsh_core.evaluation import continuous_map
from nsh_core.inputs import InputFacts
from tests.conftest import feature_arrays

CPU = torch.device("cpu")


def test_digits_are_split_once_and_for_all(digits):
    assert (len(digits.validation), len(digits.test), len(digits.database), digits.num_train) == (300, 300, 1197, 1197)
    items = np.concatenate([digits.database.items, digits.validation.items, digits.test.items])
    assert len(np.unique(items, axis=0)) == len(items) == 1797
    images, _ = load_digits(return_X_y=True)
    assert sorted(map(bytes, (images / 16).astype(np.float32))) == sorted(map(bytes, items))
    again = load_dataset("digits")
    np.testing.assert_array_equal(again.test.items, digits.test.items)
    assert again.fingerprint() == digits.fingerprint()


def test_digit_views_differ_and_repeat_by_seed(digits):
    index = torch.arange(20)
    first, second = digits.views(index, index, torch.Generator().manual_seed(3), CPU)
    again, _ = digits.views(index, index, torch.Generator().manual_seed(3), CPU)
    assert first.shape == second.shape == (20, 64)
    assert torch.equal(first, again)
    assert not torch.equal(first, second)
    original = torch.from_numpy(digits.database.items[:20])
    own = torch.nn.functional.cosine_similarity(first, original).mean()
    other = torch.nn.functional.cosine_similarity(first, original.roll(1, dims=0)).mean()
    assert own > other + 0.2


@pytest.mark.parametrize("stored", [np.float32, np.float64, np.float16, np.uint8])
@pytest.mark.parametrize("multi", [False, True])
def test_feature_files(tmp_path, stored, multi):
    arrays = feature_arrays(multi, stored)
    np.savez(tmp_path / "f.npz", **arrays)
    dataset = load_dataset(f"features:{tmp_path / 'f.npz'}")
    scale = float(arrays.get("scale", 1))
    assert (dataset.num_train, dataset.dim, len(dataset.validation), len(dataset.test)) == (80, 12, 21, 20)
    assert dataset.database.items.dtype == (np.float32 if stored is np.float64 else stored)
    database = torch.cat(list(dataset.database.batches()))
    torch.testing.assert_close(database, torch.from_numpy(arrays["database"].astype(np.float32)) * scale)
    queries = np.concatenate([dataset.validation.items, dataset.test.items])
    assert {row.tobytes() for row in queries} == {row.tobytes() for row in arrays["query"].astype(queries.dtype)}
    values = torch.cat(list(dataset.training_values()))
    torch.testing.assert_close(values, torch.from_numpy(arrays["train_views"].astype(np.float32)).flatten(0, 1) * scale)


@pytest.mark.parametrize("column", [("database_labels", "query_labels"), ("query_labels",)])
def test_a_single_column_is_one_label_each(tmp_path, column):
    arrays = feature_arrays()
    flat = arrays | {name: arrays[name] % 2 for name in ("database_labels", "query_labels")}
    np.savez(tmp_path / "flat.npz", **flat)
    np.savez(tmp_path / "column.npz", **flat | {name: flat[name][:, None] for name in column})
    first, second = (load_dataset(f"features:{tmp_path / name}.npz") for name in ("flat", "column"))
    assert first.fingerprint() == second.fingerprint()
    assert first.labels_in_words() == second.labels_in_words() == "2 classes (0 to 1), one an item"
    assert continuous_map(second, None) == continuous_map(first, None)


def test_what_was_understood_of_labels_is_said(tmp_path, digits):
    assert digits.labels_in_words() == "10 classes (0 to 9), one an item"
    arrays = feature_arrays(multi=True)
    arrays["query_labels"][:3] = 0
    np.savez(tmp_path / "f.npz", **arrays)
    dataset = load_dataset(f"features:{tmp_path / 'f.npz'}")
    assert dataset.labels_in_words() == "4 classes, any number an item; 3 of 161 items have none"


def test_labels_and_items_of_a_split_are_of_one_number():
    with pytest.raises(UserError, match="as many labels as items, got 4 and 3"):
        Split(np.zeros((3, 2), np.float32), np.zeros(4, int))
    with pytest.raises(UserError, match="as many labels as items, got 3 and 2"):
        Split(np.zeros((3, 2), np.float32), np.zeros(3, int), index=np.arange(2))


def test_feature_views_are_two_different_stored_views(feature_file):
    dataset = load_dataset(f"features:{feature_file}")
    stored = torch.from_numpy(feature_arrays()["train_views"])
    index = torch.arange(80)
    first, second = dataset.views(index, index, torch.Generator().manual_seed(0), CPU)
    which = [(view[:, None] == stored).all(dim=2).float().argmax(dim=1) for view in (first, second)]
    assert torch.equal(stored[index, which[0]], first)
    assert torch.equal(stored[index, which[1]], second)
    assert (which[0] != which[1]).all()
    assert len(which[0].unique()) == 3


def test_a_partners_view_is_of_the_partner(digits, feature_file):
    dataset = load_dataset(f"features:{feature_file}")
    stored = torch.from_numpy(feature_arrays()["train_views"])
    index, partners = torch.arange(80), torch.arange(80).roll(7)
    _, second = dataset.views(index, partners, torch.Generator().manual_seed(0), CPU)
    assert (second[:, None] == stored[partners]).all(dim=2).any(dim=1).all()
    _, second = digits.views(index, partners, torch.Generator().manual_seed(0), CPU)
    own, of_partner = (
        torch.nn.functional.cosine_similarity(second, torch.from_numpy(digits.database.items)[which]).mean()
        for which in (index, partners)
    )
    assert of_partner > own + 0.1


def test_neighbours_are_the_nearest_by_cosine(digits):
    items = digits.database.items.astype(np.float64)
    units = items - items.mean(axis=0)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    similarity = units @ units.T
    np.fill_diagonal(similarity, -2)
    found = digits.training_neighbors(4).numpy()
    expected = np.sort(similarity, axis=1)[:, :-5:-1]
    np.testing.assert_allclose(np.take_along_axis(similarity, found, axis=1), expected, atol=1e-5)
    with pytest.raises(UserError, match=r"train\.neighbors = 1197 needs more than the 1197 items of digits"):
        digits.training_neighbors(1197)


def test_training_images_in_the_database_are_found_by_their_index(tmp_path):
    arrays = feature_arrays()
    np.savez(tmp_path / "views.npz", **arrays)
    np.savez(tmp_path / "index.npz", **arrays, train_index=np.arange(40, 120))
    views, index = (load_dataset(f"features:{tmp_path / name}.npz") for name in ("views", "index"))
    clean = torch.cat(list(index.training_items()))
    torch.testing.assert_close(clean, torch.from_numpy(arrays["database"][40:]))
    assert len(torch.cat(list(views.training_items()))) == 240
    torch.testing.assert_close(index.plain(torch.tensor([7, 2])), clean[[7, 2]])
    assert index.fingerprint() != views.fingerprint()
    assert index.splits()["train"].tolist() == list(range(40, 120))


def test_features_are_found_in_the_data_folder(tmp_path, monkeypatch):
    np.savez(tmp_path / "mine.npz", **feature_arrays())
    monkeypatch.setenv("NSH_DATA", str(tmp_path))
    for name in ("features:mine.npz", "mine.npz"):
        assert load_dataset(name).name == "features:mine.npz"


def test_training_labels_are_never_read(tmp_path):
    arrays = feature_arrays()
    np.savez(tmp_path / "a.npz", **arrays)
    np.savez(tmp_path / "b.npz", **arrays | {"train_labels": arrays["train_labels"][::-1]})
    first, second = (load_dataset(f"features:{tmp_path / name}") for name in ("a.npz", "b.npz"))
    assert first.fingerprint() == second.fingerprint()


def test_the_fingerprint_is_of_the_content(tmp_path):
    prints = set()
    for name, change in (
        ("a", {}),
        ("b", {"database_labels": np.zeros(120, int)}),
        ("c", {"query": np.ones((41, 12))}),
    ):
        np.savez(tmp_path / f"{name}.npz", **feature_arrays() | change)
        prints.add(load_dataset(f"features:{tmp_path / name}.npz").fingerprint())
    assert len(prints) == 3


def write(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    """Features as a file, or as a folder that extraction left."""
    if path.suffix == ".npz":
        np.savez(path, **arrays)
        return path
    path.mkdir()
    (path / "facts.json").write_text('{"fingerprint": "0123456789abcdef"}')
    for name, array in arrays.items():
        np.save(path / f"{name}.npy", array)
    return path


def test_the_fingerprint_of_a_folder_is_of_the_content_whatever_its_facts_say(tmp_path):
    arrays = feature_arrays(stored=np.uint8)
    path = write(tmp_path / "f", arrays)
    prints = [load_dataset(f"features:{path}").fingerprint()]
    for name in ("train_views", "database", "query", "database_labels", "query_labels", "scale"):
        np.save(path / f"{name}.npy", np.flip(arrays[name]) if arrays[name].ndim else np.float32(2))
        prints.append(load_dataset(f"features:{path}").fingerprint())
    assert len(set(prints)) == 7
    for name, array in arrays.items():
        np.save(path / f"{name}.npy", array)
    assert load_dataset(f"features:{path}").fingerprint() == prints[0]


@pytest.mark.parametrize("form", ["f.npz", "f"])
def test_features_of_another_byte_order_are_the_same(tmp_path, form):
    arrays = feature_arrays() | {"train_index": np.arange(80)}
    small = load_dataset(f"features:{write(tmp_path / f'small {form}', arrays)}")
    swapped = {name: array.astype(array.dtype.newbyteorder(">")) for name, array in arrays.items()}
    big = load_dataset(f"features:{write(tmp_path / f'big {form}', swapped)}")
    for first, second in ((small.database, big.database), (small.test, big.test)):
        assert torch.equal(torch.cat(list(first.batches())), torch.cat(list(second.batches())))
        np.testing.assert_array_equal(first.labels, second.labels)
    index = torch.tensor([3, 7])
    for first, second in zip(*(one.views(index, index, torch.Generator(), CPU) for one in (small, big)), strict=True):
        assert torch.equal(first, second)
    assert torch.equal(small.plain(index), big.plain(index))
    assert torch.equal(torch.cat(list(small.training_values())), torch.cat(list(big.training_values())))


def nan_at(shape: tuple[int, ...]) -> np.ndarray:
    array = np.zeros(shape)
    array[-1] = np.nan
    return array


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"query": None}, "missing array query; needed: train_views"),
        ({"database": np.zeros((120, 3, 4))}, r"database must have shape \[N, D\].*got \[120, 3, 4\]"),
        ({"database": np.zeros((120, 13))}, "database has 13 features, train_views has 12"),
        ({"database": np.zeros((0, 12))}, r"none of them 0, got \[0, 12\]"),
        ({"train_views": np.zeros((80, 1, 12))}, "at least 2 views of each item, got 1"),
        ({"train_views": nan_at((80, 3, 12))}, r"train_views holds NaN or infinite values \(the first in row \d+\)"),
        ({"query": nan_at((41, 12))}, "query holds NaN"),
        ({"query": np.zeros((41, 12), int)}, "query must be uint8 or floating point, got int64"),
        ({"query_labels": np.zeros(40, int)}, r"query_labels must have shape \[41\] or \[41, L\]"),
        ({"query_labels": np.zeros((41, 0), int)}, r"query_labels must have shape .* got \[41, 0\]"),
        ({"query_labels": np.zeros(41)}, "query_labels must be whole numbers, got float64"),
        ({"query_labels": np.zeros((41, 4), int)}, "must both be"),
        ({"database_labels": np.full((120, 4), 2)}, "database_labels of shape .* must be multi-hot"),
        ({"train_index": np.zeros(79, int)}, r"train_index must be whole numbers \[80\], got int64 \[79\]"),
        ({"train_index": np.full(80, 120)}, "train_index must lie in the database, 0 to 119, got 120 to 120"),
        ({"scale": np.float32(0)}, "scale must be a positive number below 1e\\+36, got 0.0"),
        ({"scale": np.full(2, 0.1)}, r"scale must be one number, got float64 \[2\]"),
        ({"scale": np.complex64(1)}, r"scale must be one number, got complex64 \[\]"),
        ({"scale": np.float64(1e38)}, "scale must be a positive number below"),
        ({"query": np.full((41, 12), 1e300)}, r"query holds NaN or infinite values \(the first in row 0\), in float32"),
        ({"query": np.zeros((41, 12), complex)}, "query must be uint8 or floating point, got complex128"),
        ({"database": np.zeros((120, 12), bool)}, "database must be uint8 or floating point, got bool"),
        ({"query": np.zeros((1, 12)), "query_labels": np.zeros(1, int)}, "query must hold at least 2 items, got 1"),
    ],
)
@pytest.mark.parametrize("form", ["bad.npz", "bad"])
def test_features_that_do_not_fit_are_named(tmp_path, change, message, form):
    arrays = {name: array for name, array in (feature_arrays() | change).items() if array is not None}
    path = write(tmp_path / form, arrays)
    with pytest.raises(UserError, match=message) as caught:
        load_dataset(f"features:{path}")
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04broken"])
def test_a_file_that_is_no_npz_is_named(tmp_path, content):
    path = tmp_path / "bad.npz"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"bad.npz is not a readable .npz file"):
        load_dataset(f"features:{path}")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("imagenet", "unknown dataset 'imagenet', known: digits, features"),
        ("digits:3", "takes no argument, got '3'"),
        ("features", "wants a file"),
        ("features:/nowhere/f.npz", "cannot read /nowhere/f.npz: No such file"),
    ],
)
def test_unknown_data_sets(name, message):
    with pytest.raises(UserError, match=message):
        load_dataset(name)


@pytest.mark.parametrize("name", [3, None, np.ones((100, 64)), [1, 2]])
def test_a_name_is_text(name):
    with pytest.raises(UserError, match=r"^a data set is asked for by its name, got .*, known: digits, .*from_arrays"):
        load_dataset(name)


def test_a_data_set_says_what_it_is(digits):
    assert repr(digits) == (
        "Dataset digits: 1,197 training items, 1,197 in the database, 300 validation and 300 test queries"
    )
    with pytest.raises(UserError, match=r"^folder must be a path, got 3$"):
        digits.stored(3)


def test_a_row_that_is_not_finite_is_named(tmp_path):
    arrays = feature_arrays()
    arrays["database"] = np.tile(arrays["database"], (5, 1))
    arrays["database"][[598, 599], 3] = np.nan
    arrays["database_labels"] = np.tile(arrays["database_labels"], 5)
    np.savez(tmp_path / "f.npz", **arrays)
    with pytest.raises(UserError, match=r"database holds NaN or infinite values \(the first in row 598\), in float32$"):
        load_dataset(str(tmp_path / "f.npz"))


def test_a_single_array_is_refused(tmp_path):
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(UserError, match="got a single array"):
        load_dataset(f"features:{tmp_path / 'one.npy'}")


def test_splits_are_read_in_batches():
    split = Split(np.arange(10_000, dtype=np.float32)[:, None], np.zeros(10_000, int), scale=2)
    batches = list(split.batches())
    assert max(len(batch) for batch in batches) < 10_000
    assert torch.equal(torch.cat(batches)[:, 0], 2 * torch.arange(10_000.0))


def check_real_queries(dataset: Dataset) -> None:
    """Every hundredth query alone and all of them are of the scale of the first training items."""
    facts = InputFacts.of(itertools.islice(dataset.training_values(), 2))
    for split in (dataset.validation, dataset.test):
        items = torch.cat(list(split.batches()))
        assert facts.admits(InputFacts.of([items]))
        assert all(facts.admits(InputFacts.of([row[None]])) for row in items[::100])
        assert not facts.admits(InputFacts.of([items * 3]))


def test_real_multi_label_queries_are_of_the_scale_of_their_training_items(cifar_features):
    path = Path(cifar_features.partition(":")[2]).with_stem("corel5k_mobilenetv2")
    if not path.exists():
        pytest.skip(f"no {path.name} here")
    check_real_queries(load_dataset(f"features:{path}"))


def test_real_features_fit(cifar_features):
    dataset = load_dataset(cifar_features)
    check_real_queries(dataset)
    assert (len(dataset.database), len(dataset.validation), len(dataset.test)) == (50_000, 5_000, 5_000)
    assert dataset.database.items.dtype == np.uint8
    assert Path(cifar_features.partition(":")[2]).name in dataset.name
