import importlib
import importlib.util
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from filelock import FileLock
from hypothesis import settings

from nsh_core import Hasher, fit, load_dataset, make_config, plugins
from nsh_core.data import Dataset
from nsh_core.registry import METHODS

torch.set_num_threads(1)

# No test times anything: an example may be slow beside other work.
settings.register_profile("untimed", settings(), deadline=None)
settings.load_profile("untimed")

Once = Callable[[str, Callable[[Path], None]], Path]

SHARED = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="module")
def without_plugins():
    """Methods of plug-ins that tests load, as by reading results, are gone after a module's tests."""
    yield
    for name in [name for name in METHODS.names() if METHODS.plugin_of(name)]:
        METHODS.unregister(name)
    plugins._loaded.clear()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow(seconds): takes about so long; the longest tests run first")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the longest tests first. Processes are given a contiguous share each: these are dealt out among the shares.

    Towards the end a process that has nothing left takes over tests from the end of another's share, short ones.
    """
    marked = [(item.get_closest_marker("slow"), item) for item in items]
    slow = sorted(((mark.args[0], item) for mark, item in marked if mark), key=lambda pair: -pair[0])
    quick = [item for mark, item in marked if not mark]
    processes, left = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")), len(items)
    items.clear()
    for place in range(processes):
        own = [item for _, item in slow[place::processes]]
        share = left // (processes - place)
        items += own + quick[: share - len(own)]
        del quick[: share - len(own)]
        left -= share


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Random numbers of a test are the same whichever tests its process ran before."""
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 - for libraries that draw from it


@pytest.fixture(scope="session")
def torchvision() -> ModuleType:
    """torchvision, with the operators declared that its wheel lacks beside a CPU build of torch."""
    pytest.importorskip("PIL")
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("no torchvision here")
    library = torch.library.Library("torchvision", "FRAGMENT")
    for _ in range(30):
        try:
            return importlib.import_module("torchvision")
        except RuntimeError as error:
            missing = re.search(r"operator torchvision::(\w+) does not exist", str(error))
            if missing is None:
                raise
            library.define(f"{missing.group(1)}(Tensor x) -> Tensor")
            for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
                del sys.modules[name]
    raise AssertionError("torchvision lacks too many operators")


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of all processes of this session of tests."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def once(shared_folder: Path) -> Once:
    """once(name, make): the folder of that name, filled by make in the first process that asks for it."""

    def filled(name: str, make: Callable[[Path], None]) -> Path:
        folder = shared_folder / name
        with FileLock(f"{folder}.lock"):
            if not folder.with_suffix(".made").exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                make(folder)
                folder.with_suffix(".made").touch()
        return folder

    return filled


@pytest.fixture(scope="session")
def digits() -> Dataset:
    return load_dataset("digits")


@pytest.fixture(scope="session")
def hasher(digits: Dataset) -> Hasher:
    """Of the digits, 8 bits; to be read only."""
    return fit(make_config({"code_length": 8, "train": {"epochs": 1}}), digits)


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
