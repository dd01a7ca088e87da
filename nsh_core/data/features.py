"""Feature files: train_views, database, query and labels in one .npz, or mapped into memory from a folder of .npy."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from typing_extensions import override

from nsh_core.array_files import map_array, read_archive
from nsh_core.data.dataset import Dataset, Split, Stored, fingerprint_of, scaled
from nsh_core.data.splits import halves
from nsh_core.errors import UserError
from nsh_core.metrics.relevance import Labels, one_label_each

_ROWS = 512
_HIGHEST_SCALE = 1e36  # 255 times that is finite in float32
_OPTIONAL = ("scale", "train_index")
_REQUIRED = ("train_views", "database", "database_labels", "query", "query_labels")


class Features(Dataset):
    """Features in arrays: `train_views` [n, V, D], `database` [N, D], `query` [Q, D], labels of the last two.

    Queries are split into halves, validation and test, by a fixed seed. uint8 and float16 stay so, value = `scale` *
    stored. An optional `train_index` [n] says where the training images stand in the database: their features without
    augmentation. Training labels are never read.

    Args:
        name: How to ask for it again.
        arrays: By name.
        where: What messages call their place.

    Raises:
        UserError: An array is missing or does not fit.
    """

    encoder = "identity"
    default_map_at: int | None = 1000

    def __init__(self, name: str, arrays: Mapping[str, npt.NDArray], where: str | Path = "") -> None:
        path = where or name
        _check_names(path, arrays)
        self._scale = scale = _scale(path, arrays)
        self._train = _items(path, arrays, "train_views", 3, scale)
        database = _items(path, arrays, "database", 2, scale)
        query = _items(path, arrays, "query", 2, scale)
        views, dim = self._train.shape[1:]
        if views < 2:
            raise UserError(f"{path}: train_views must hold at least 2 views of each item, got {views}")
        for part, array in (("database", database), ("query", query)):
            if array.shape[1] != dim:
                raise UserError(f"{path}: {part} has {array.shape[1]} features, train_views has {dim}")
        database_labels = _labels(path, arrays, "database_labels", len(database))
        query_labels = _labels(path, arrays, "query_labels", len(query))
        if database_labels.shape[1:] != query_labels.shape[1:]:
            raise UserError(
                f"{path}: query_labels {list(query_labels.shape)} and database_labels "
                f"{list(database_labels.shape)} must both be [N] or both multi-hot [N, L]"
            )
        self._train_index = arrays.get("train_index")
        if self._train_index is not None:
            _check_index(path, self._train_index, len(self._train), len(database))
        if len(query) < 2:
            raise UserError(f"{path}: query must hold at least 2 items, got {len(query)}")
        validation, test = halves(len(query))
        self._splits = {
            "train": np.arange(len(self._train)) if self._train_index is None else self._train_index.astype(np.int64),
            "database": np.arange(len(database)),
            "validation": validation,
            "test": test,
        }
        super().__init__(
            name,
            database=Split(database, database_labels, scale),
            validation=Split(query[validation], query_labels[validation], scale),
            test=Split(query[test], query_labels[test], scale),
        )

    @property
    @override
    def num_train(self) -> int:
        return len(self._train)

    @override
    def views(
        self, index: Tensor, partners: Tensor, generator: torch.Generator, device: torch.device
    ) -> tuple[Tensor, Tensor]:
        count = self._train.shape[1]
        first = torch.randint(count, (len(index),), generator=generator)
        second = (first + torch.randint(1, count, (len(index),), generator=generator)) % count
        return (
            scaled(self._train[index.numpy(), first.numpy()], self._scale).to(device),
            scaled(self._train[partners.numpy(), second.numpy()], self._scale).to(device),
        )

    @override
    def plain(self, index: Tensor) -> Tensor:
        if self._train_index is None:
            raise UserError(
                f"train.views = plain wants training items without augmentation, and {self.name} has none: give it "
                "train_index, which says where they stand in the database"
            )
        return scaled(self.database.items[self._train_index[index.numpy()]], self._scale)

    @override
    def training_values(self) -> Iterator[Tensor]:
        for start in range(0, len(self._train), _ROWS):
            yield scaled(self._train[start : start + _ROWS], self._scale).flatten(0, 1)

    @override
    def training_items(self) -> Iterator[Tensor]:
        if self._train_index is None:
            yield from self.training_values()
            return
        for start in range(0, len(self._train_index), _ROWS):
            yield scaled(self.database.items[self._train_index[start : start + _ROWS]], self._scale)

    @override
    def splits(self) -> dict[str, npt.NDArray[np.int64]]:
        return self._splits

    def _training_array(self) -> Stored:
        return self._train


class FeatureFolder(Features):
    """Features in a folder of .npy files, as `python -m nsh_core features` writes it, mapped into memory.

    Args:
        name: How to ask for it again.
        path: Of the folder.

    Raises:
        UserError: An array is missing, cannot be read, or does not fit.
    """

    def __init__(self, name: str, path: Path) -> None:
        found = [file.stem for file in sorted(path.glob("*.npy"))]
        _check_names(path, found)
        self._mapped = {one: map_array(path / f"{one}.npy") for one in (*_REQUIRED, *_OPTIONAL) if one in found}
        super().__init__(name, self._mapped, path)

    @override
    def fingerprint(self) -> str:
        return fingerprint_of_folder(self._mapped)


def fingerprint_of_folder(arrays: Mapping[str, npt.NDArray]) -> str:
    """Identifies the arrays of a folder of features, 16 hex digits.

    Args:
        arrays: By name.
    """
    order = ("train_views", "database", "query", "database_labels", "query_labels", "train_index", "scale")
    return fingerprint_of(np.atleast_1d(arrays[name]) for name in order if name in arrays)


def read_features(name: str, path: Path) -> Features:
    """A feature file: .npz, or a folder of .npy files.

    Args:
        name: How to ask for it again.
        path: Of the file or folder.

    Raises:
        UserError: It cannot be read, or an array does not fit.
    """
    if path.is_dir():
        return FeatureFolder(name, path)
    if path.suffix == ".npy":
        raise UserError(f"{path} must be an .npz file of several arrays, or a folder of them, got a single array")
    arrays, found = read_archive(path, (*_REQUIRED, *_OPTIONAL))
    _check_names(path, found)
    return Features(name, arrays, path)


def _check_names(path: str | Path, found: Collection[str]) -> None:
    missing = [name for name in _REQUIRED if name not in found]
    if missing:
        raise UserError(
            f"{path}: missing array {', '.join(missing)}; needed: {', '.join(_REQUIRED)}; "
            f"found: {', '.join(found) or 'none'}"
        )


def _scale(path: str | Path, arrays: Mapping[str, npt.NDArray]) -> float:
    scale = np.asarray(arrays.get("scale", np.float32(1)))
    if scale.size != 1 or scale.dtype.kind not in "iuf":
        raise UserError(f"{path}: scale must be one number, got {scale.dtype} {list(scale.shape)}")
    value = float(scale.item())
    if not 0 < value < _HIGHEST_SCALE:
        raise UserError(f"{path}: scale must be a positive number below {_HIGHEST_SCALE:g}, got {value}")
    return value


def _items(path: str | Path, arrays: Mapping[str, npt.NDArray], name: str, ndim: int, scale: float) -> Stored:
    array = arrays[name]
    axes = "[n, V, D]" if ndim == 3 else "[N, D]"
    if array.ndim != ndim or array.size == 0:
        raise UserError(f"{path}: {name} must have shape {axes}, none of them 0, got {list(array.shape)}")
    if array.dtype != np.uint8 and not np.issubdtype(array.dtype, np.floating):
        raise UserError(f"{path}: {name} must be uint8 or floating point, got {array.dtype}")
    if array.dtype == np.uint8:
        return array
    for start in range(0, len(array), _ROWS):
        # As they will be used: in float32 a value may be infinite that is not in float64.
        if not np.isfinite(scaled(array[start : start + _ROWS], scale).numpy()).all():
            raise UserError(
                f"{path}: {name} holds NaN or infinite values (rows {start} to {start + _ROWS - 1}), in float32"
            )
    kept = isinstance(array, np.memmap) or array.dtype == np.float16
    return array if kept else array.astype(np.float32, copy=False)


def _check_index(path: str | Path, index: npt.NDArray, count: int, size: int) -> None:
    if index.shape != (count,) or not np.issubdtype(index.dtype, np.integer):
        raise UserError(f"{path}: train_index must be whole numbers [{count}], got {index.dtype} {list(index.shape)}")
    if index.min() < 0 or index.max() >= size:
        raise UserError(
            f"{path}: train_index must lie in the database, 0 to {size - 1}, got {index.min()} to {index.max()}"
        )


def _labels(path: str | Path, arrays: Mapping[str, npt.NDArray], name: str, count: int) -> Labels:
    labels = one_label_each(arrays[name])
    if labels.ndim not in (1, 2) or len(labels) != count or labels.shape[1:] == (0,):
        raise UserError(
            f"{path}: {name} must have shape [{count}] or [{count}, L], one row an item, got {list(labels.shape)}"
        )
    if not np.issubdtype(labels.dtype, np.integer) and labels.dtype != np.bool_:
        raise UserError(f"{path}: {name} must be whole numbers, got {labels.dtype}")
    if labels.ndim == 2 and not np.isin(labels, (0, 1)).all():
        raise UserError(f"{path}: {name} of shape [N, L] must be multi-hot, 0 or 1")
    return labels
