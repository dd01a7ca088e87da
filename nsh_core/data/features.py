"""Feature files: train_views, database, query and labels in one .npz, or mapped into memory from a folder of .npy."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from typing_extensions import override

from nsh_core.array_files import map_array, read_archive
from nsh_core.data.checks import check_index, items_of, labels_of, scale_of
from nsh_core.data.dataset import Dataset, Split, Stored, scaled
from nsh_core.data.fingerprint import fingerprint_of
from nsh_core.data.places import locate
from nsh_core.data.scattered import scattered_rows
from nsh_core.data.splits import halves
from nsh_core.errors import UserError
from nsh_core.inputs import ImageFacts
from nsh_core.sending import sent

FACTS = "facts.json"
_ROWS = 512
_ITEMS = {"train_views": 3, "database": 2, "query": 2, "train": 2, "validation": 2}
_LABELLED = ("database", "query", "validation")
_REQUIRED = ("train_views", "database", "database_labels", "query", "query_labels")
_OPTIONAL = ("scale", "train_index", "train", "validation", "validation_labels")


class Features(Dataset):
    """Features in arrays: `train_views` [n, V, D], `database` [N, D], `query` [Q, D], labels of the last two.

    Queries are split into halves, validation and test, by a fixed seed, unless an optional `validation` [M, D] with
    `validation_labels` has queries of its own. uint8 and float16 stay so, value = `scale` * stored. Of the features of
    the training images without augmentation, an optional `train_index` [n] says where they stand in the database, or
    an optional `train` [n, D] holds them. Training labels are never read.

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
        self._scale = scale = scale_of(path, arrays)
        items = {one: items_of(path, arrays, one, axes, scale) for one, axes in _ITEMS.items() if one in arrays}
        self._train, database, query = (items[one] for one in ("train_views", "database", "query"))
        views, dim = self._train.shape[1:]
        if views < 2:
            raise UserError(f"{path}: train_views must hold at least 2 views of each item, got {views}")
        for part, array in items.items():
            if array.shape[-1] != dim:
                raise UserError(f"{path}: {part} has {array.shape[-1]} features, train_views has {dim}")
        labels = labels_of(path, arrays, {one: len(items[one]) for one in _LABELLED if one in items})
        self._plain, self._train_index = items.get("train"), arrays.get("train_index")
        if self._train_index is not None:
            check_index(path, self._train_index, len(self._train), len(database))
        elif self._plain is not None and len(self._plain) != len(self._train):
            raise UserError(f"{path}: train has {len(self._plain)} items, train_views has {len(self._train)}")
        self._kept = items | {f"{one}_labels": own for one, own in labels.items()}
        if "validation" in items:
            source, validation, test = "validation", np.arange(len(items["validation"])), np.arange(len(query))
        elif len(query) < 2:
            raise UserError(f"{path}: query must hold at least 2 items, got {len(query)}")
        else:
            source, (validation, test) = "query", halves(len(query))
        self._splits = {
            "train": np.arange(len(self._train)) if self._train_index is None else self._train_index.astype(np.int64),
            "database": np.arange(len(database)),
            "validation": validation,
            "test": test,
        }
        super().__init__(
            name,
            database=Split(database, labels["database"], scale),
            validation=Split(items[source][validation], labels[source][validation], scale),
            test=Split(query[test], labels["query"][test], scale),
        )

    @property
    @override
    def num_train(self) -> int:
        return len(self._train)

    @property
    @override
    def train_in_database(self) -> npt.NDArray[np.int64] | None:
        return None if self._train_index is None else self._splits["train"]

    @override
    def views(
        self, index: Tensor, partners: Tensor, generator: torch.Generator, device: torch.device
    ) -> tuple[Tensor, Tensor]:
        count = self._train.shape[1]
        first = torch.randint(count, (len(index),), generator=generator)
        second = (first + torch.randint(1, count, (len(index),), generator=generator)) % count
        items, chosen = torch.cat([index, partners]).numpy(), torch.cat([first, second]).numpy()
        one, other = sent(scaled(scattered_rows(self._train, items, chosen), self._scale), device).chunk(2)
        return one, other

    @override
    def plain(self, index: Tensor) -> Tensor:
        if self._train_index is None and self._plain is None:
            raise UserError(
                f"train.views = plain wants training items without augmentation, and {self.name} has none: give it "
                "train_index, which says where they stand in the database, or train, which holds them"
            )
        return self._plain_rows(index.numpy())

    def _plain_rows(self, rows: slice | npt.NDArray[np.int64]) -> Tensor:
        """Training items without augmentation by position, where they are known."""
        if self._train_index is not None:
            return scaled(scattered_rows(self.database.items, self._train_index[rows]), self._scale)
        assert self._plain is not None
        if isinstance(rows, slice):
            return scaled(self._plain[rows], self._scale)
        return scaled(scattered_rows(self._plain, rows), self._scale)

    @override
    def training_values(self) -> Iterator[Tensor]:
        for start in range(0, len(self._train), _ROWS):
            yield scaled(self._train[start : start + _ROWS], self._scale).flatten(0, 1)

    @override
    def training_items(self) -> Iterator[Tensor]:
        if self._train_index is None and self._plain is None:
            yield from self.training_values()
            return
        for start in range(0, self.num_train, _ROWS):
            yield self._plain_rows(slice(start, start + _ROWS))

    @override
    def _training_means(self) -> Iterator[Tensor]:
        if self._train_index is not None or self._plain is not None:
            return self.training_items()
        views, dim = self._train.shape[1:]
        return (chunk.view(-1, views, dim).mean(dim=1) for chunk in self.training_items())

    @override
    def splits(self) -> dict[str, npt.NDArray[np.int64]]:
        return self._splits

    @override
    def fingerprint(self) -> str:
        known = super().fingerprint()
        return known if self._plain is None else fingerprint_of([np.frombuffer(known.encode(), np.uint8), self._plain])

    @override
    def _training_array(self) -> Stored:
        return self._train

    @override
    def _arrays(self) -> dict[str, npt.NDArray]:
        index = {} if self._train_index is None else {"train_index": self._train_index}
        return self._kept | index | {"scale": np.array(self._scale)}


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
        self.loaded_as = f"features:{path}"

    @override
    def fingerprint(self) -> str:
        return fingerprint_of_folder(self._mapped)


def fingerprint_of_folder(arrays: Mapping[str, npt.NDArray]) -> str:
    """Identifies the arrays of a folder of features, 16 hex digits.

    Args:
        arrays: By name.
    """
    order = ("train_views", "database", "query", "database_labels", "query_labels", "train_index", "scale")
    added = ("train", "validation", "validation_labels")
    return fingerprint_of(np.atleast_1d(arrays[name]) for name in (*order, *added) if name in arrays)


def read_features(name: str, path: Path) -> Features:
    """A feature file: .npz, or a folder of .npy files.

    Args:
        name: How to ask for it again.
        path: Of the file or folder.

    Raises:
        UserError: It cannot be read, or an array does not fit.
    """
    if path.is_dir():
        return _with_image_facts(FeatureFolder(name, path), path)
    if path.suffix == ".npy":
        raise UserError(f"{path} must be an .npz file of several arrays, or a folder of them, got a single array")
    arrays, found = read_archive(path, (*_REQUIRED, *_OPTIONAL))
    _check_names(path, found)
    return _with_image_facts(Features(name, arrays, path), path)


def _with_image_facts(features: Features, path: Path) -> Features:
    """The features, and what they tell of how they were extracted from images, if they do."""
    try:
        if path.is_dir():
            text = (path / FACTS).read_bytes()
        else:
            with zipfile.ZipFile(path) as archive:
                text = archive.read(FACTS)
        features.image_facts = ImageFacts.of_features(json.loads(text))
    except (OSError, KeyError, ValueError, TypeError):
        pass  # features of other origin
    return features


def _check_names(path: str | Path, found: Collection[str]) -> None:
    pair = ("validation", "validation_labels")
    needed = _REQUIRED if not {*pair} & {*found} else (*_REQUIRED, *pair)
    missing = [name for name in needed if name not in found]
    if missing:
        raise UserError(
            f"{path}: missing array {', '.join(missing)}; needed: {', '.join(needed)}; "
            f"found: {', '.join(found) or 'none'}"
        )
    if "train" in found and "train_index" in found:
        raise UserError(f"{path}: train holds what train_index finds in the database: give one of them")


def features(argument: str) -> Features:
    """A feature file by its path, in the working or the data folder.

    Args:
        argument: The path.

    Raises:
        UserError: It is missing, or no feature file.
    """
    if not argument:
        raise UserError("dataset features wants a file: features:PATH.npz")
    return read_features(name=f"features:{argument}", path=locate(argument))
