"""The embedded data set: scikit-learn's 1,797 handwritten digits, 8x8 pixels."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from typing_extensions import override

from nsh_core.data.dataset import Dataset, Split, Stored
from nsh_core.data.views import affine_noise_views
from nsh_core.errors import UserError
from nsh_core.sending import sent

_SIDE = 8
_QUERIES = 300
_SPLIT_SEED = 0


class Digits(Dataset):
    """300 validation queries, 300 test queries; the other 1,197 train and are the database. Fixed split."""

    encoder = "mlp"
    default_map_at = None

    def __init__(self) -> None:
        images, labels = _read()
        items = (images / 16).astype(np.float32)
        order = np.random.default_rng(_SPLIT_SEED).permutation(len(items))
        validation, test, rest = np.split(order, [_QUERIES, 2 * _QUERIES])
        super().__init__(
            "digits",
            database=Split(items[rest], labels[rest]),
            validation=Split(items[validation], labels[validation]),
            test=Split(items[test], labels[test]),
        )
        self._train = torch.from_numpy(items[rest])
        self._splits = {"train": rest, "database": rest, "validation": validation, "test": test}

    @property
    @override
    def num_train(self) -> int:
        return len(self._train)

    @property
    @override
    def train_in_database(self) -> npt.NDArray[np.int64]:
        return np.arange(self.num_train)

    @override
    def views(
        self, index: Tensor, partners: Tensor, generator: torch.Generator, device: torch.device
    ) -> tuple[Tensor, Tensor]:
        images = self._train[torch.cat([index, partners])].view(-1, 1, _SIDE, _SIDE)
        first, second = sent(affine_noise_views(images, generator).flatten(1), device).chunk(2)
        return first, second

    @override
    def plain(self, index: Tensor) -> Tensor:
        return self._train[index]

    @override
    def training_values(self) -> Iterator[Tensor]:
        yield self._train

    @override
    def training_items(self) -> Iterator[Tensor]:
        yield self._train

    @override
    def splits(self) -> dict[str, npt.NDArray[np.int64]]:
        return self._splits

    @override
    def pictures(self, split: Split, index: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        ink = split.items[index].reshape(-1, _SIDE, _SIDE)
        return (255 * (1 - ink)).round().astype(np.uint8)

    def _training_array(self) -> Stored:
        return self._train.numpy()


def _read() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """scikit-learn's file of them; to import the package only to be given it takes two seconds in each process."""
    package = find_spec("sklearn")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("No module named 'sklearn'", name="sklearn")
    [folder] = package.submodule_search_locations
    table = np.loadtxt(Path(folder, "datasets", "data", "digits.csv.gz"), delimiter=",")
    return table[:, :-1], table[:, -1].astype(np.int64)


def digits(argument: str) -> Dataset:
    """The embedded digits.

    Args:
        argument: Behind the name: none.

    Raises:
        UserError: There is one.
    """
    if argument:
        raise UserError(f"dataset digits takes no argument, got {argument!r}")
    return Digits()
