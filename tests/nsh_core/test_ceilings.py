"""Supervised ceilings: their losses, and the one path of labels."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.linalg import hadamard
from torch import Tensor

from nsh_core import Hasher, UserError, fit, load_dataset, make_config, methods
from nsh_core.codes import unpack
from nsh_core.data.labels import training_labels, without_labels
from nsh_core.methods import DeepMethod
from nsh_core.methods.csq import CSQ
from nsh_core.methods.hash_centers import centers_of, hash_centers
from nsh_core.model import HashModel, Outputs
from nsh_core.registry import METHODS
from tests.conftest import feature_arrays
from tests.nsh_core.test_methods import SUPERVISED, K, N, views


@pytest.mark.parametrize(("classes", "bits"), [(10, 16), (20, 16), (32, 16), (1, 1), (2, 1)])
def test_centers_are_rows_of_a_hadamard_matrix(classes, bits):
    rows = hadamard(bits)
    np.testing.assert_array_equal(hash_centers(classes, bits), np.concatenate([rows, -rows])[:classes])


@pytest.mark.parametrize(("classes", "bits"), [(10, 12), (40, 16), (7, 24)])
def test_other_centers_are_balanced_apart_and_the_same_each_time(classes, bits):
    centers = hash_centers(classes, bits)
    assert centers.shape == (classes, bits)
    assert set(np.unique(centers)) == {-1.0, 1.0}
    assert (centers.sum(axis=1) == 0).all()
    assert len(np.unique(centers, axis=0)) == classes
    np.testing.assert_array_equal(centers, hash_centers(classes, bits))


def test_centers_of_items():
    centers = hash_centers(3, 4)
    np.testing.assert_array_equal(centers_of(np.array([7, 2, 7, 9]), 4), centers[[1, 0, 1, 2]])
    hot = np.array([[1, 0, 0], [1, 1, 1], [1, 1, 0], [0, 0, 0]], np.uint8)
    found = centers_of(hot, 4)
    np.testing.assert_array_equal(found[0], centers[0])
    np.testing.assert_array_equal(found[1], np.sign(centers.sum(axis=0)))
    tied = centers[0] + centers[1] == 0
    np.testing.assert_array_equal(found[2][~tied], centers[0][~tied])
    assert (np.abs(found[2]) == 1).all()
    assert (found[3] == 0).all()


def test_csq_is_its_formula():
    first, second = views()
    objective = CSQ(
        [make_config({"code_length": K, "method": {"name": "csq", "options": {"quantization_weight": 0.3}}})]
    )
    targets = np.random.default_rng(0).choice([-1.0, 1.0], (2 * N, K))
    targets[3] = 0  # an item without any label
    index = np.random.default_rng(1).permutation(2 * N)[:N]
    index[0] = 3
    objective.prepared, objective.items = [torch.from_numpy(targets)], torch.from_numpy(index)[None]
    alone = [
        Outputs(*(getattr(view, name)[None] for name in ("logits", "relaxed", "codes", "latents", "features")))
        for view in (first, second)
    ]
    terms = objective(*alone, [torch.Generator()])
    central = rounding = 0.0
    for view in (first, second):
        for row, place in zip(view.logits.detach().tolist(), index, strict=True):
            for value, target in zip(row, targets[place], strict=True):
                chance = (math.tanh(value) + 1) / 2
                central -= abs(target) * math.log(chance if target > 0 else 1 - chance) / (2 * N * K)
                rounding += (abs(math.tanh(value)) - 1) ** 2 / (2 * N * K)
    assert terms["central"].item() == pytest.approx(central)
    assert terms["loss"].item() == pytest.approx(central + 0.3 * rounding)


@pytest.mark.parametrize("multi", [False, True])
def test_the_classifier_is_ridge_regression(digits, multi):
    data = digits
    if multi:
        data = load_dataset("digits")
        hot = np.eye(10, dtype=np.uint8)[data.database.labels]
        hot[::3, 4] = 1
        data.database = replace(data.database, labels=hot)
        for part in ("validation", "test"):
            split = getattr(data, part)
            setattr(data, part, replace(split, labels=np.eye(10, dtype=np.uint8)[split.labels]))
    settings = {"code_length": 16, "method": {"name": "classifier", "options": {"ridge": 0.5}}}
    hasher = fit(make_config(settings), data)
    items = data.database.items.astype(float)
    items = (items - items.mean(axis=0)) / np.sqrt(items.var(axis=0).mean())
    hot = data.database.labels if multi else np.eye(10)[data.database.labels]
    # As rows: the penalty as sqrt(n r v) identity, on centred values.
    variance = items.var(axis=0).mean()
    rows = np.concatenate([items, np.sqrt(len(items) * 0.5 * variance) * np.eye(64)])
    weight, *_ = np.linalg.lstsq(rows, np.concatenate([hot - hot.mean(axis=0), np.zeros((64, 10))]), rcond=None)
    scores = items @ weight + hot.mean(axis=0)
    expected = scores @ hash_centers(10, 16)
    codes = unpack(hasher.encode(data.database), 16)
    clear = np.abs(expected) > 1e-4
    assert (codes == np.where(expected >= 0, 1, -1))[clear].all()
    assert clear.mean() > 0.99


def test_ceilings_learn_from_labels_and_stand_above(digits):
    plain = fit(make_config({"train": {"epochs": 3}}), digits).metrics["test_map"]
    scrambled = load_dataset("digits")
    shuffled = np.random.default_rng(0).permutation(digits.database.labels)
    scrambled.database = replace(scrambled.database, labels=shuffled)
    for name in SUPERVISED:
        config = make_config({"method": {"name": name}, "train": {"epochs": 3}})
        hasher = fit(config, digits)
        assert hasher.metrics["test_map"] > plain + 0.05, name
        assert hasher.codes_sha256 != fit(config, scrambled, test=False).codes_sha256


def test_only_methods_that_say_so_get_labels(digits):
    """What `prepare`, `calibrate` and `fit` are given has none, whatever they try."""
    got = {}

    class Curious(DeepMethod):
        paper = "none"

        @classmethod
        def prepare(cls, config, dataset):
            got[cls.information] = dataset

        @classmethod
        def calibrate(cls, model: HashModel, dataset):
            got[f"{cls.information}, later"] = dataset

        def __call__(self, first: Outputs, second: Outputs, generators: Sequence[torch.Generator]) -> dict[str, Tensor]:
            return {"loss": first.logits.square().mean(dim=(1, 2))}

    class Told(Curious):
        information = "labels"

    METHODS.register("curious", Curious)
    METHODS.register("told", Told)
    try:
        for name in ("curious", "told"):
            fit(make_config({"method": {"name": name}, "train": {"epochs": 1}}), digits)
    finally:
        METHODS.unregister("curious")
        METHODS.unregister("told")
    for when in ("", ", later"):
        assert got[f"labels{when}"] is digits
        hidden = got[f"images{when}"]
        for part in ("database", "validation", "test"):
            assert len(np.unique(getattr(hidden, part).labels)) == 1
        with pytest.raises(UserError, match="labels are kept from methods that do not say information = 'labels'"):
            training_labels(hidden)
    np.testing.assert_array_equal(training_labels(digits), digits.database.labels)


def test_data_without_labels_keep_all_else(digits):
    hidden = without_labels(digits)
    assert digits.labelled
    assert np.array_equal(hidden.database.items, digits.database.items)
    assert len(np.unique(digits.database.labels)) == 10


@pytest.mark.parametrize("name", SUPERVISED)
def test_a_ceiling_wants_labels_of_its_training_items(tmp_path, name):
    np.savez(tmp_path / "f.npz", **feature_arrays())
    settings = {"code_length": 8, "method": {"name": name}, "train": {"epochs": 1, "batch_size": 16}}
    with pytest.raises(UserError, match=r"has no labels of its training items.*give train_index.*without labels"):
        fit(make_config(settings), load_dataset(f"features:{tmp_path / 'f.npz'}"))


def test_what_a_method_learns_from_is_checked_and_told(digits, tmp_path):
    with pytest.raises(ValueError, match="information must be one of images, text, labels, got 'label'; did you mean"):
        METHODS.register("odd", type("Odd", (CSQ,), {"information": "label"}))
    assert SUPERVISED == ["classifier", "csq"]
    assert methods.method("nsh").information == "images"
    fit(make_config({"method": {"name": "classifier"}}), digits, test=False).save(tmp_path)
    assert "learned from labels" in (tmp_path / "README.md").read_text()
    assert isinstance(Hasher.load(tmp_path), Hasher)
