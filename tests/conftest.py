from pathlib import Path

import numpy as np
import pytest
import torch

from nsh_core import load_dataset
from nsh_core.data import Dataset

torch.set_num_threads(1)

SHARED = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def digits() -> Dataset:
    return load_dataset("digits")


@pytest.fixture(scope="session")
def cifar_features() -> str:
    path = SHARED / "cifar10_mobilenetv2.npz"
    if not path.exists():
        pytest.skip(f"no {path.name} here")
    return f"features:{path}"


def feature_arrays(multi: bool = False, stored: type = np.float32, seed: int = 0) -> dict[str, np.ndarray]:
    """Arrays of a small feature file: 4 clusters in 12 dimensions."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(4, 12)) * 3

    def items(labels: np.ndarray) -> np.ndarray:
        values = centres[labels] + rng.normal(size=(*labels.shape, 12))
        return np.clip(values * 12 + 128, 0, 255).astype(np.uint8) if stored is np.uint8 else values.astype(stored)

    train, database, query = rng.integers(0, 4, 80), rng.integers(0, 4, 120), rng.integers(0, 4, 41)
    arrays = {
        "train_views": items(np.repeat(train[:, None], 3, axis=1)),
        "train_labels": train,
        "database": items(database),
        "database_labels": np.eye(4, dtype=np.uint8)[database] if multi else database,
        "query": items(query),
        "query_labels": np.eye(4, dtype=np.uint8)[query] if multi else query,
    }
    if stored is np.uint8:
        arrays["scale"] = np.float32(0.05)
    return arrays


@pytest.fixture
def feature_file(tmp_path: Path) -> Path:
    path = tmp_path / "small.npz"
    np.savez(path, **feature_arrays())
    return path
