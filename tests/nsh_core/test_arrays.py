"""Data in memory: vectors and images as arrays, views by a function, what does not fit; stored for other processes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nsh_core import UserError, fit, load_dataset, make_config
from nsh_core.data import Features, from_arrays
from nsh_core.extraction import extract
from nsh_core.sections import ImageConfig
from tests.conftest import feature_arrays
from tests.nsh_core.images import picture

CPU = torch.device("cpu")


def vectors(**changes) -> dict:
    """Arguments of from_arrays; the training labels are nobody's."""
    arrays = {name: array for name, array in feature_arrays().items() if name != "train_labels"} | changes
    return {name: array for name, array in arrays.items() if array is not None}


def noisy(items: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return items + torch.randn(items.shape, generator=generator)


def stripes(count: int, seed: int, size: tuple[int, int] = (16, 16)) -> tuple[np.ndarray, np.ndarray]:
    """Images [count, H, W, 3] of three classes, and their labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, count)
    return np.stack([np.asarray(picture([label], rng, size)) for label in labels]), labels


def images(**changes) -> dict:
    database, labels = stripes(40, 0)
    query, query_labels = stripes(12, 1)
    given = {"database": database, "database_labels": labels, "query": query, "query_labels": query_labels}
    return given | {"train": database} | changes


def test_arrays_are_what_the_same_feature_file_is(tmp_path):
    index = {"train_index": np.arange(80)}
    np.savez(tmp_path / "f.npz", **feature_arrays(stored=np.uint8), **index)
    given = {name: array for name, array in feature_arrays(stored=np.uint8).items() if name != "train_labels"}
    file, memory = load_dataset(f"features:{tmp_path / 'f.npz'}"), from_arrays(**given, **index)
    assert memory.fingerprint() == file.fingerprint()
    config = make_config({"code_length": 8, "train": {"epochs": 1, "batch_size": 16}})
    assert fit(config, memory).codes_sha256 == fit(config, file).codes_sha256


@pytest.mark.parametrize(
    "form",
    [
        torch.from_numpy,
        lambda array: torch.from_numpy(array).double().requires_grad_() if array.dtype.kind == "f" else array.tolist(),
        lambda array: np.asfortranarray(array.astype(">f8" if array.dtype.kind == "f" else ">i4")),
        lambda array: np.repeat(array, 2, axis=0)[::2] if array.ndim > 1 else array[::-1][::-1].astype(np.uint8),
    ],
)
def test_the_same_content_is_the_same_whatever_it_comes_as(form):
    expected = from_arrays(**vectors())
    found = from_arrays(**{name: form(array) for name, array in vectors().items()})
    assert found.fingerprint() == expected.fingerprint()


def test_labels_may_be_text(tmp_path):
    names = np.array(["ant", "bee", "cat", "dog"])
    arrays = vectors()
    text = {f"{part}_labels": names[arrays[f"{part}_labels"]] for part in ("database", "query")}
    assert from_arrays(**vectors(**text)).fingerprint() == from_arrays(**arrays).fingerprint()
    with pytest.raises(UserError, match="query_labels must be whole numbers, got <U3"):
        from_arrays(**vectors(query_labels=text["query_labels"]))


def test_views_by_a_function_are_content():
    arrays = vectors(train_views=None, train=feature_arrays()["train_views"][:, 0])
    first, again = (from_arrays(**arrays, views=noisy, stored_views=3) for _ in range(2))
    assert first.fingerprint() == again.fingerprint()
    assert first.fingerprint() != from_arrays(**arrays, views=noisy, stored_views=2).fingerprint()
    assert first.fingerprint() != from_arrays(**arrays, views=lambda x, g: 2 * noisy(x, g)).fingerprint()
    index = torch.arange(80)
    plain, views = first.plain(index), torch.stack(first.views(index, index, torch.Generator(), CPU))
    torch.testing.assert_close(plain, torch.from_numpy(arrays["train"]))
    assert (views - plain).std() == pytest.approx(1, abs=0.1)
    assert not torch.equal(views[0], views[1])
    torch.testing.assert_close(torch.cat(list(first.training_items())), plain)


def test_views_of_bytes_are_drawn_of_their_values():
    stored = feature_arrays(stored=np.uint8) | {"train_index": np.arange(80)}
    given = {name: array for name, array in stored.items() if name not in ("train_labels", "train_views")}
    dataset = from_arrays(**given, views=lambda items, generator: items.numpy() + 1)
    index = torch.arange(80)
    views, _ = dataset.views(index, index, torch.Generator(), CPU)
    torch.testing.assert_close(views, dataset.plain(index) + 1)


def test_validation_queries_of_their_own_are_kept_apart(tmp_path):
    rng = np.random.default_rng(3)
    own = {"validation": rng.normal(size=(7, 12)).astype(np.float32), "validation_labels": rng.integers(0, 4, 7)}
    dataset = from_arrays(**vectors(**own))
    assert (len(dataset.validation), len(dataset.test)) == (7, 41)
    np.testing.assert_array_equal(dataset.validation.items, own["validation"])
    np.savez(tmp_path / "f.npz", **vectors(**own))
    assert load_dataset(f"features:{tmp_path / 'f.npz'}").fingerprint() == dataset.fingerprint()
    labels = np.roll(own["validation_labels"], 1)
    assert from_arrays(**vectors(**own | {"validation_labels": labels})).fingerprint() != dataset.fingerprint()


@pytest.mark.parametrize("validation", [{}, {"validation": stripes(5, 2)[0], "validation_labels": stripes(5, 2)[1]}])
def test_images_train_and_their_features_are_those_of_their_splits(validation, tmp_path):
    dataset = from_arrays(**images(**validation))
    counts = (5, 12) if validation else (6, 6)
    assert (len(dataset.validation), len(dataset.test)) == counts
    order = dataset.splits()["database"]
    assert sorted(order) == list(range(40))
    assert order.tolist() != list(range(40))
    given = images()
    np.testing.assert_array_equal(dataset.pictures(dataset.database, np.arange(40)), given["database"][order])
    np.testing.assert_array_equal(dataset.database.labels, given["database_labels"][order])
    settings = {"code_length": 8, "train": {"epochs": 1, "batch_size": 16}}
    assert fit(make_config(settings), dataset).metrics["test_map"] > 0.3
    extract(dataset, ImageConfig(backbone="small_cnn"), tmp_path / "f", views=2)
    extracted = load_dataset(f"features:{tmp_path / 'f'}")
    np.testing.assert_array_equal(extracted.test.labels, dataset.test.labels)
    np.testing.assert_array_equal(extracted.validation.labels, dataset.validation.labels)


@pytest.mark.parametrize(
    "form",
    [
        lambda array: array.transpose(0, 3, 1, 2),
        lambda array: torch.from_numpy(array).permute(0, 3, 1, 2).float() / 255,
        lambda array: (array / 255).astype(np.float16),
        lambda array: array[:, ::-1][:, ::-1].astype(np.float64) / 255,
    ],
)
def test_images_are_the_same_in_every_form(form):
    expected = from_arrays(**images())
    given = {name: form(array) if array.ndim == 4 else array for name, array in images().items()}
    given["train"] = given["database"]
    assert from_arrays(**given).fingerprint() == expected.fingerprint()


def test_images_of_other_sizes_and_grey_ones_become_alike():
    wide, _ = stripes(12, 1, (40, 60))
    dataset = from_arrays(**images(query=wide))
    half = Image.fromarray(wide[dataset.splits()["test"][0] - 40]).resize((24, 16), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(dataset.test.rows(slice(0, 1))[0].transpose(1, 2, 0), np.asarray(half)[:, 4:20])
    grey = images()["database"][..., 0]
    for form in (grey, grey[:, None], grey[..., None]):
        rows = from_arrays(**images(database=form, train=form)).database.rows(np.arange(40))
        assert (rows == rows[:, :1]).all()
        assert rows.shape == (40, 3, 16, 16)


def test_labels_never_reach_training():
    given = images()
    other = given | {"database_labels": given["database_labels"][::-1], "query_labels": np.zeros(12, int)}
    config = make_config({"code_length": 8, "train": {"epochs": 1, "batch_size": 16}})
    first, second = (fit(config, from_arrays(**one)).model.state_dict() for one in (given, other))
    assert all(torch.equal(weight, second[name]) for name, weight in first.items())


def broken(items: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    raise KeyError("x")


TRAIN = {"train_views": None, "train": feature_arrays()["train_views"][:, 0]}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (vectors(name="mine", query=np.zeros((41, 3))), "^mine: query has 3 features, train_views has 12"),
        (vectors(database=np.zeros((0, 12))), r"database must have shape \[N, D\], none of them 0, got \[0, 12\]"),
        (vectors() | {"database": None}, "^arrays: database must be an array, got None$"),
        (vectors() | {"query_labels": None}, "^arrays: query_labels must be an array, got None$"),
        (vectors(database=3), r"database must have shape \[N, D\], none of them 0, got \[\]"),
        (vectors(query=[[1.0, 2.0], [3.0]]), "query must be an array of numbers: ValueError"),
        (vectors(query=[["a"] * 12] * 41), "query must be uint8 or floating point, got <U1"),
        (vectors(query=[[None] * 12] * 41), "query must be an array of numbers, got object"),
        (vectors(query_labels=np.zeros(40, int)), r"query_labels must have shape \[41\] or \[41, L\]"),
        (vectors(query_labels=np.full((41, 2), 256)), "must be multi-hot, 0 or 1"),
        (vectors(query_labels=np.zeros((41, 4), int)), "query_labels .* must both be"),
        (vectors(validation=np.zeros((2, 12))), "validation and validation_labels go together"),
        (vectors(train=np.zeros((79, 12))), "train has 79 items, train_views has 80"),
        (vectors(train_views=None), "training needs views of vectors: give train_views"),
        (vectors(**TRAIN), "training needs views of vectors"),
        (vectors(**TRAIN, train_index=[0], views=noisy), "give one"),
        (vectors(views=noisy), "train_views holds what views would draw: give one of them"),
        (vectors(train_views=None, views=noisy), "views are drawn of train, or of what train_index finds"),
        (vectors(train_views=None, train_index=[200], views=noisy), "train_index must lie in the database, 0 to 119"),
        (vectors(train_views=None, train_index=[], views=noisy), "train_index must be whole numbers"),
        (vectors(**TRAIN, views=noisy, stored_views=1), "stored_views must be at least 2, got 1"),
        (vectors(**TRAIN, views=broken), "arrays: views failed: KeyError: 'x'"),
        (
            vectors(**TRAIN, views=lambda items, generator: items[:, :3]),
            r"its items, \[80, 12\], got float32 \[80, 3\]",
        ),
        (vectors(**TRAIN, views=lambda items, _: items * np.inf), "train_views holds NaN or infinite"),
        (
            vectors(**TRAIN, views=lambda items, _: items + torch.rand(items.shape)),
            "from its generator: a seed gave two",
        ),
        (images(query_labels=np.zeros(3, int)), r"query_labels must have shape \[12\]"),
        (images(query=np.zeros((12, 5))), r"query must be images \[N, 3, H, W\]"),
        (images(query=np.zeros((12, 2, 16, 16))), r"got \[12, 2, 16, 16\]$"),
        (images(query=np.zeros((12, 3, 16, 3))), r"got \[12, 3, 16, 3\], which may be either"),
        (images(query=np.zeros((0, 3, 16, 16))), r"none of them 0, got \[0, 3, 16, 16\]"),
        (images(query=np.full((12, 3, 16, 16), 255.0)), r"floats in \[0, 1\], got values 255 to 255: leave out what"),
        (images(query=np.full((12, 3, 16, 16), np.nan)), r"floats in \[0, 1\], got values nan to nan"),
        (images(query=np.zeros((12, 3, 16, 16), int)), r"floats in \[0, 1\], got int64"),
        (images(train=None), "the training images are either train, or where train_index says"),
        (images(train=None, train_index=[0, 1, 2]), "at least 4 training images and 2 queries, got 3 and 12"),
        (images(train=None, train_index=[0, 1, 2, 40]), "train_index must lie in the database, 0 to 39, got 0 to 40"),
        (images(views=noisy), "views of images are drawn by image.views: leave out views"),
        (images(train=None, train_views=np.zeros((4, 2, 12))), "drawn by image.views: leave out train_views"),
        (images(scale=2), "images have none: leave out scale"),
        (images(query=np.zeros((12, 1, 9000)), database=np.zeros((40, 256, 256))), "too long and narrow, 9000 x 1"),
    ],
)
def test_what_does_not_fit_is_named(given, message):
    with pytest.raises(UserError, match=message) as caught:
        from_arrays(**given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("other", ["train", "database", "validation"])
def test_queries_are_items_of_their_own(other):
    given = vectors(**TRAIN, views=noisy)
    given |= {other: given["query"], "validation_labels": given["query_labels"] if other == "validation" else None}
    with pytest.raises(UserError, match=f"query must be items of its own, got those of {other}"):
        from_arrays(**given)


STORED = {
    "vectors": vectors(**TRAIN, views=noisy),
    "index": vectors(train_index=np.arange(80), stored_views=3) | {"scale": 0.5, "train_views": np.ones((80, 2, 12))},
    "validation": vectors(validation=np.ones((3, 12)), validation_labels=np.zeros(3, int)),
    "images": images(),
}


@pytest.mark.parametrize("given", STORED.values(), ids=STORED)
def test_stored_data_are_the_same_in_another_process(given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    dataset = from_arrays(**given, name="my data: 1/2")
    name = dataset.stored("kept")
    assert name.startswith("arrays:kept/my_data_1_2-")
    loaded = load_dataset(name)
    assert loaded.fingerprint() == dataset.fingerprint()
    assert isinstance(loaded.database.items, np.memmap)
    assert loaded.default_map_at == dataset.default_map_at == 1000
    for part in ("database", "validation", "test"):
        first, second = getattr(dataset, part), getattr(loaded, part)
        assert torch.equal(torch.cat(list(first.batches())), torch.cat(list(second.batches())))
        np.testing.assert_array_equal(first.labels, second.labels)
    index = torch.tensor([3, 0])
    for first, second in zip(
        *(one.views(index, index, torch.Generator(), CPU) for one in (dataset, loaded)), strict=True
    ):
        assert torch.equal(first, second)
    config = make_config({"code_length": 8, "train": {"epochs": 1, "batch_size": 16}})
    assert fit(config, dataset).codes_sha256 == fit(config, loaded).codes_sha256
    [written] = tmp_path.glob("kept/my_data*")
    times = {file: file.stat().st_mtime_ns for file in written.iterdir()}
    assert loaded.stored("kept") == dataset.stored("kept") == name
    assert {file: file.stat().st_mtime_ns for file in written.iterdir()} == times
    assert load_dataset(str(written)).fingerprint() == dataset.fingerprint()


def test_a_data_set_that_was_loaded_has_a_name_already(tmp_path, feature_file):
    name = f"features:{feature_file}"
    assert load_dataset(name).stored(tmp_path / "kept") == name
    assert not (tmp_path / "kept").exists()
    by_hand = Features("digits", feature_arrays())  # called like another, which it is not
    assert load_dataset(by_hand.stored(tmp_path / "kept")).fingerprint() == by_hand.fingerprint()


def test_what_code_of_ones_own_makes_is_reached_by_a_plugin(tmp_path):
    with pytest.raises(UserError, match=r"by code of its own \(Digits\): other processes reach it by a plug-in"):
        type(load_dataset("digits"))().stored(tmp_path)


def test_other_scales_are_other_data(tmp_path):
    given = {name: array for name, array in feature_arrays(stored=np.uint8).items() if name != "train_labels"}
    names = {from_arrays(**given | {"scale": scale}).stored(tmp_path) for scale in (0.5, 0.25)}
    assert len(names) == 2


def flip_a_bit(folder: Path) -> None:
    path = folder / "database.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (flip_a_bit, "database.npy is damaged: it holds other values than were written"),
        (lambda folder: (folder / "query.npy").write_bytes(b""), "query.npy is not a readable .npy file"),
        (lambda folder: (folder / "query.npy").unlink(), "cannot read .*query.npy: No such file"),
        (lambda folder: (folder / "arrays.json").unlink(), "cannot read .*arrays.json: No such file"),
        (lambda folder: (folder / "arrays.json").write_text('{"content": []}'), "arrays.json is damaged"),
        (lambda folder: (folder / "arrays.json").write_bytes(b"\xff"), "arrays.json is damaged"),
    ],
)
def test_damage_is_seen_and_mended_by_storing_again(tmp_path, damage, message):
    dataset = from_arrays(**vectors())
    name = dataset.stored(tmp_path)
    damage(Path(name.partition(":")[2]))
    with pytest.raises(UserError, match=message):
        load_dataset(name)
    assert dataset.stored(tmp_path) == name
    assert load_dataset(name).fingerprint() == dataset.fingerprint()


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot write .*file.*: (File exists|Not a directory)"):
        from_arrays(**vectors()).stored(tmp_path / "file")
    with pytest.raises(UserError, match="dataset arrays wants a folder"):
        load_dataset("arrays")
