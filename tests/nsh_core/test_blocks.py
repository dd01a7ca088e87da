import resource
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from nsh_core import fit, load_dataset, make_config
from nsh_core.data import blocks
from nsh_core.data.blocks import in_blocks
from nsh_core.data.neighbors import nearest_items
from nsh_core.evaluation import continuous_map
from nsh_core.methods.linear import StandardizedItems, principal_components
from nsh_core.model import HashModel

CHUNKS = [torch.rand(rows, 3) for rows in (4, 1, 4)]


def test_small_chunks_are_one_block_and_large_ones_stay(monkeypatch):
    [whole] = in_blocks(CHUNKS)
    assert torch.equal(whole, torch.cat(CHUNKS))
    monkeypatch.setattr(blocks, "_WHOLE", 26)
    assert [len(block) for block in in_blocks(CHUNKS)] == [4, 1, 4]
    monkeypatch.setattr(blocks, "_WHOLE", 27)
    assert [len(block) for block in in_blocks(CHUNKS)] == [9]
    assert list(in_blocks([])) == []


def test_blocks_change_no_principal_component_and_no_ceiling(monkeypatch, digits):
    model = HashModel(make_config({"method": {"name": "itq"}}), digits.dim, "identity")
    model.fit_standardization(*digits.training_moments)
    items = torch.cat(list(StandardizedItems(model, digits)))
    whole = principal_components(model, StandardizedItems(model, digits), 8)
    variances = (items - items.mean(dim=0)).square().mean(dim=0).sum()
    largest = torch.linalg.svd(items - items.mean(dim=0), full_matrices=False).S[:8].square() / len(items)
    torch.testing.assert_close(whole[2].square().mean(dim=0), largest)
    assert largest.sum() < variances
    ceiling = continuous_map(digits, 100)
    monkeypatch.setattr(blocks, "_WHOLE", 64 * 100)
    parts = torch.split(next(iter(digits.training_items())), 90)
    monkeypatch.setattr(digits, "training_items", lambda: iter(parts))
    for found, expected in zip(principal_components(model, StandardizedItems(model, digits), 8), whole, strict=True):
        torch.testing.assert_close(found, expected)
    assert continuous_map(digits, 100) == pytest.approx(ceiling)


def test_neighbours_of_chunks_are_those_of_all():
    items = torch.randn(50, 6)
    centred = items - items.mean(dim=0)
    cosine = torch.nn.functional.cosine_similarity(centred[:, None], centred[None], dim=2)
    expected = cosine.fill_diagonal_(-2).argsort(dim=1, descending=True)[:, :4]
    assert torch.equal(nearest_items(items.split(7), 50, 4), expected)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A folder of features that takes 312 MiB in float32, in holes of files that take no room."""
    rng = np.random.default_rng(0)
    shapes = {"database": (160_000, 256), "train_views": (16_000, 10, 256)}
    for name, shape in shapes.items():
        array = np.lib.format.open_memmap(tmp_path / f"{name}.npy", "w+", np.float16, shape)
        array[:: shape[0] // 64] = rng.normal(size=array[:: shape[0] // 64].shape)
        del array
    np.save(tmp_path / "database_labels.npy", np.arange(160_000) % 2)
    np.save(tmp_path / "query.npy", rng.normal(size=(8, 256)).astype(np.float16))
    np.save(tmp_path / "query_labels.npy", np.arange(8) % 2)
    return tmp_path


@pytest.mark.slow(4)
@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
@pytest.mark.parametrize("method", ["nsh", "pca_sign"])
def test_features_larger_than_memory_are_trained_on_encoded_and_evaluated(large, monkeypatch, digits, method):
    """Under a limit of 128 MiB more than the process has, either array takes 156 in float32."""
    monkeypatch.setattr(blocks, "_WHOLE", 2**20)
    config = make_config({"method.name": method, "train.epochs": 1, "train.batch_size": 160, "code_length": 16})
    fit(config, digits)  # what is imported and compiled takes memory too
    continuous_map(digits, 1000)
    dataset = load_dataset(f"features:{large}")
    status = Path("/proc/self/status").read_text()
    used = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmData"))) * 1024
    before = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (used + 128 * 2**20, before[1]))
    try:
        hasher = fit(config, dataset)
        line = continuous_map(dataset, 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)
    assert len(hasher.encode(dataset.database)) == 160_000
    assert 0 < line["test_map"] < 1
