"""Feature files: .npz with train_views, database, query and labels, optionally uint8 with a scale."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nsh_core.data.dataset import Dataset, Split, scaled
from nsh_core.errors import UserError
from nsh_core.metrics.relevance import Labels

_SPLIT_SEED = 0
_ROWS = 512
_REQUIRED = ("train_views", "database", "database_labels", "query", "query_labels")


class Features(Dataset):
    """Features of a file at `path` (`train_views` [n, V, D], `database` [N, D], `query` [Q, D] and labels).

    Queries are split into halves, validation and test, by a fixed seed. uint8 stays uint8 in memory.
    Training labels in the file are never read. Raises UserError naming the array that does not fit.
    """

    encoder = "identity"
    default_map_at = 1000

    def __init__(self, path: str | Path) -> None:
        arrays = _read(Path(path))
        scale = float(arrays.get("scale", np.float32(1)))
        if not 0 < scale < float("inf"):
            raise UserError(f"{path}: scale must be a positive number, got {scale}")
        self._scale = scale
        self._train = _items(path, arrays, "train_views", 3)
        database = _items(path, arrays, "database", 2)
        query = _items(path, arrays, "query", 2)
        views, dim = self._train.shape[1:]
        if views < 2:
            raise UserError(f"{path}: train_views must hold at least 2 views of each item, got {views}")
        for name, array in (("database", database), ("query", query)):
            if array.shape[1] != dim:
                raise UserError(f"{path}: {name} has {array.shape[1]} features, train_views has {dim}")
        database_labels = _labels(path, arrays, "database_labels", len(database))
        query_labels = _labels(path, arrays, "query_labels", len(query))
        if database_labels.shape[1:] != query_labels.shape[1:]:
            raise UserError(
                f"{path}: query_labels {list(query_labels.shape)} and database_labels "
                f"{list(database_labels.shape)} must both be [N] or both multi-hot [N, L]"
            )
        if len(query) < 2:
            raise UserError(f"{path}: query must hold at least 2 items, got {len(query)}")
        order = np.random.default_rng(_SPLIT_SEED).permutation(len(query))
        validation, test = (np.sort(half) for half in np.array_split(order, 2))
        super().__init__(
            f"features:{path}",
            database=Split(database, database_labels, scale),
            validation=Split(query[validation], query_labels[validation], scale),
            test=Split(query[test], query_labels[test], scale),
        )

    @property
    def num_train(self) -> int:
        return len(self._train)

    def views(self, index: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        count = self._train.shape[1]
        first = torch.randint(count, (len(index),), generator=generator)
        second = (first + torch.randint(1, count, (len(index),), generator=generator)) % count
        rows = index.numpy()
        return (
            scaled(self._train[rows, first.numpy()], self._scale),
            scaled(self._train[rows, second.numpy()], self._scale),
        )

    def training_values(self) -> Iterator[Tensor]:
        for start in range(0, len(self._train), _ROWS):
            yield scaled(self._train[start : start + _ROWS], self._scale).flatten(0, 1)

    def _training_array(self) -> npt.NDArray[np.uint8 | np.float32]:
        return self._train


def _read(path: Path) -> dict[str, npt.NDArray]:
    try:
        file = np.load(path, allow_pickle=False)
        if not isinstance(file, np.lib.npyio.NpzFile):
            raise UserError(f"{path} must be an .npz file of several arrays, got a single array")
        with file:
            missing = [name for name in _REQUIRED if name not in file.files]
            if missing:
                raise UserError(
                    f"{path}: missing array {', '.join(missing)}; needed: {', '.join(_REQUIRED)}; "
                    f"found: {', '.join(file.files) or 'none'}"
                )
            return {name: file[name] for name in (*_REQUIRED, "scale") if name in file.files}
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} is not a readable .npz feature file: {error}") from None


def _items(
    path: str | Path, arrays: dict[str, npt.NDArray], name: str, ndim: int
) -> npt.NDArray[np.uint8 | np.float32]:
    array = arrays[name]
    axes = "[n, V, D]" if ndim == 3 else "[N, D]"
    if array.ndim != ndim or array.size == 0:
        raise UserError(f"{path}: {name} must have shape {axes}, none of them 0, got {list(array.shape)}")
    if array.dtype == np.uint8:
        return array
    if not np.issubdtype(array.dtype, np.floating):
        raise UserError(f"{path}: {name} must be uint8 or floating point, got {array.dtype}")
    for start in range(0, len(array), _ROWS):
        if not np.isfinite(array[start : start + _ROWS]).all():
            raise UserError(f"{path}: {name} holds NaN or infinite values (rows {start} to {start + _ROWS - 1})")
    return array.astype(np.float32, copy=False)


def _labels(path: str | Path, arrays: dict[str, npt.NDArray], name: str, count: int) -> Labels:
    labels = arrays[name]
    if labels.ndim not in (1, 2) or len(labels) != count:
        raise UserError(
            f"{path}: {name} must have shape [{count}] or [{count}, L], one row an item, got {list(labels.shape)}"
        )
    if not np.issubdtype(labels.dtype, np.integer) and labels.dtype != np.bool_:
        raise UserError(f"{path}: {name} must be whole numbers, got {labels.dtype}")
    if labels.ndim == 2 and not np.isin(labels, (0, 1)).all():
        raise UserError(f"{path}: {name} of shape [N, L] must be multi-hot, 0 or 1")
    return labels
