import json

import numpy as np
import pytest
import torch

from nsh_core import Hasher, UserError, fit, load_dataset, make_config
from nsh_core.__main__ import app
from nsh_core.inputs import InputFacts
from tests.conftest import feature_arrays
from tests.nsh_core.images import make_folder

REFUSED = "of another scale than what the hasher was trained on"


def test_every_query_of_the_digits_passes_alone_and_by_class(digits, hasher):
    for split in (digits.validation, digits.test, digits.database):
        items = torch.from_numpy(split.items)
        assert hasher.inputs.admits(InputFacts.of([items]))
        assert all(hasher.inputs.admits(InputFacts.of([row[None]])) for row in items)
        assert all(hasher.inputs.admits(InputFacts.of([items[split.labels == label]])) for label in range(10))
    blank = np.zeros((3, 64))
    assert hasher.encode(blank).shape == (3, 1)
    np.testing.assert_array_equal(hasher.encode(torch.from_numpy(blank)), hasher.encode(blank.tolist()))


@pytest.mark.filterwarnings("error")
def test_facts_of_the_largest_numbers_are_quiet():
    facts = InputFacts.of([torch.full((3, 4), 3e38)])
    assert facts.highest == pytest.approx(3e38)
    assert facts.sizes == [float("inf")] * 3


@pytest.mark.parametrize("change", [lambda x: 16 * x, lambda x: 2 * x, lambda x: x / 2, lambda x: 2 * x - 1])
def test_items_of_another_scale_are_refused_with_a_switch(digits, hasher, change):
    items = change(digits.test.items)
    with pytest.raises(UserError, match=rf"^'items' are {REFUSED} \(values .*; in training values 0 to 1, their mean"):
        hasher.encode(items)
    assert (hasher.encode(items, any_scale=True) == hasher.encode_batch(torch.from_numpy(items))).all()


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (np.full((3, 64), 1e300), "'items' hold NaN or infinite values, in float32"),
        (torch.full((3, 64), 1e300, dtype=torch.float64), "'items' hold NaN or infinite values, in float32"),
        (np.full((3, 64), 0.3 + 1j), "'items' must be real numbers, got complex128"),
        (torch.full((3, 64), 0.3 + 1j), "'items' must be real numbers, got complex64"),
        (np.ones((3, 64), bool), "'items' must be real numbers, got bool"),
        (np.full((3, 64), "1"), "'items' must be real numbers, got <U1"),
        (np.ones((0, 64)), r"'items' must have shape \[N, 64\], N >= 1, got \[0, 64\]"),
        (np.ones(64), r"'items' must have shape \[N, 64\], N >= 1, got \[64\]"),
    ],
)
def test_items_that_are_no_finite_real_numbers_are_refused(hasher, items, message):
    with pytest.raises(UserError, match=message):
        hasher.encode(items, any_scale=True)


def test_items_of_either_byte_order_and_one_alone_get_the_same_codes(digits, hasher):
    items = digits.test.items
    codes = hasher.encode(digits.test)
    for kind in (">f4", "<f8", ">f8", np.longdouble):
        np.testing.assert_array_equal(hasher.encode(items.astype(kind)), codes)
    np.testing.assert_array_equal(hasher.encode(items[:1]), codes[:1])


def test_images_must_be_bytes_or_in_0_to_1(tmp_path, monkeypatch):
    monkeypatch.setenv("NSH_CACHE", str(tmp_path / "cache"))
    make_folder(tmp_path / "mine")
    dataset = load_dataset(f"imagefolder:{tmp_path / 'mine'}")
    hasher = fit(make_config({"code_length": 8, "train": {"epochs": 1, "batch_size": 16}}), dataset)
    assert hasher.inputs is None
    pictures = dataset.test.rows(slice(None))
    np.testing.assert_array_equal(hasher.encode(pictures), hasher.encode(dataset.test))
    np.testing.assert_array_equal(hasher.encode((pictures / 255).astype(np.float32)), hasher.encode(dataset.test))
    hasher.encode(np.zeros((1, 3, 16, 16)))
    for wrong in (pictures.astype(np.float32), pictures.astype(np.int64), pictures / 127.5 - 1):
        with pytest.raises(UserError, match=r"must be images in uint8, or floats in \[0, 1\], got values"):
            hasher.encode(wrong)
    hasher.encode(pictures / 127.5 - 1, any_scale=True)


def test_facts_are_saved_and_models_without_them_load(digits, hasher, tmp_path):
    hasher.save(tmp_path)
    assert Hasher.load(tmp_path).inputs == hasher.inputs
    facts = json.loads((tmp_path / "hasher.json").read_text())
    for name in ("inputs", "sha256"):
        facts.pop(name, None)
    (tmp_path / "hasher.json").write_text(json.dumps(facts))
    old = Hasher.load(tmp_path)
    assert old.inputs is None
    np.testing.assert_array_equal(old.encode(digits.test.items), hasher.encode(digits.test))
    old.encode(16 * digits.test.items)


def test_the_commands_refuse_another_scale_with_a_switch(hasher, tmp_path):
    hasher.save(tmp_path / "model")
    np.save(tmp_path / "x.npy", np.random.default_rng(0).uniform(0, 16, (5, 64)))
    arrays = feature_arrays()
    for name in ("train_views", "database", "query"):
        arrays[name] = np.resize(np.abs(arrays[name]) * 16, (*arrays[name].shape[:-1], 64))
    np.savez(tmp_path / "f.npz", **arrays)
    model = ["--model", str(tmp_path / "model")]
    encode = ["encode", *model, "--input", str(tmp_path / "x.npy"), "--out", str(tmp_path / "codes.npy")]
    evaluate = ["evaluate", *model, "--dataset", f"features:{tmp_path / 'f.npz'}"]
    for command, what in ((encode, r".*x\.npy: 'items' are"), (evaluate, r"features:.*f\.npz: items of database are")):
        with pytest.raises(UserError, match=f"^{what} {REFUSED}"):
            app(command, standalone_mode=False)
        app([*command, "--any-scale"], standalone_mode=False)
    assert np.load(tmp_path / "codes.npy").shape == (5, 1)
