"""Data sets in memory, read once from map-style data sets: len and [index], as of torch.utils.data."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import Tensor
from torch.utils.data import IterableDataset

from nsh_core.data.arrays import Given, Views, as_array, from_arrays
from nsh_core.data.dataset import Dataset
from nsh_core.data.pixels import side_of, square, with_channels_last
from nsh_core.errors import UserError, naming


def from_torch(
    train: Any,
    database: Any,
    query: Any,
    *,
    validation: Any | None = None,
    database_labels: Given | None = None,
    query_labels: Given | None = None,
    validation_labels: Given | None = None,
    views: Views | None = None,
    stored_views: int = 8,
    name: str = "torch",
) -> Dataset:
    """A data set of images or vectors in memory, from data sets of torch.utils.data or anything with len and [index].

    Items are pairs (item, label), or items alone with their labels given; labels that are given win. Labels of `train`
    are dropped. An image is one of Pillow, of any size and mode, or an array [H, W], [3, H, W] or [H, W, 3], uint8 or
    floats in [0, 1]; a vector is an array [D], and of `train` also its views [V, D]. Leave random transforms and
    normalisation out: views are drawn by image.views or by `views`, and models standardise by themselves.

    Args:
        train: Training items; the same object as `database` where the database trains.
        database: What is searched.
        query: Test queries; without `validation` a half of them, drawn by a fixed seed, become validation queries.
        validation: Validation queries.
        database_labels: As for from_arrays.
        query_labels: Likewise.
        validation_labels: Likewise.
        views: As for from_arrays, of vectors.
        stored_views: As for from_arrays.
        name: What messages call it.

    Returns:
        As from_arrays.

    Raises:
        UserError: Something does not fit; the line says what, what was got, what is allowed.
    """
    parts = {"database": database, "train": train, "query": query, "validation": validation}
    parts = {one: part for one, part in parts.items() if part is not None or one != "validation"}
    labels = {"database": database_labels, "query": query_labels, "validation": validation_labels}
    for one, part in parts.items():
        check_map_style(f"{name}: {one}", part)
    side = side_for(f"{name}: database[0]", database)
    read: dict[int, tuple[npt.NDArray, list[Any] | None]] = {}
    given: dict[str, Any] = {f"{one}_labels": own for one, own in labels.items() if own is not None}
    for one, part in parts.items():
        if id(part) not in read:
            read[id(part)] = read_items(f"{name}: {one}", part, side)
        items, own = read[id(part)]
        given["train_views" if one == "train" and side is None and items.ndim == 3 else one] = items
        if one != "train" and f"{one}_labels" not in given:
            given[f"{one}_labels"] = _label_array(f"{name}: {one}", own)
    return from_arrays(**given, views=views, stored_views=stored_views, name=name)


def read_items(what: str, data: Any, side: int | None) -> tuple[npt.NDArray, list[Any] | None]:
    """Items of a data set, one after another.

    Args:
        what: What messages call it.
        data: Its items, or pairs (item, label).
        side: Of the squares that images become, none for vectors.

    Returns:
        Images [N, 3, side, side], or vectors as they are, and their labels, none where items stand alone.

    Raises:
        UserError: An item cannot be read, is neither, or is of another size than the first.
    """
    from nsh_core.progress import progress_bar

    rows: npt.NDArray = np.empty(0)
    labels: list[Any] = []
    with progress_bar("reading") as progress:
        for place in progress.track(range(len(data))):
            one = f"{what}[{place}]"
            row, own = _read(one, data, place, side)
            if place == 0:
                rows = np.empty((len(data), *row.shape), row.dtype)
            if row.shape != rows.shape[1:] or row.dtype != rows.dtype:
                first = f"{rows.dtype} {list(rows.shape[1:])}"
                raise UserError(f"{one} is {row.dtype} {list(row.shape)}, {what}[0] is {first}: they must be alike")
            rows[place] = row
            labels += own
    if not np.array_equal(_read(f"{what}[0]", data, 0, side)[0], rows[0], equal_nan=True):
        raise UserError(
            f"{what}[0] is another one each time it is read: leave random transforms out, views are drawn in training"
        )
    if labels and len(labels) != len(rows):
        raise UserError(f"{what} holds {len(labels)} pairs (item, label) among {len(rows)} items: all must be, or none")
    return rows, labels or None


def _read(what: str, data: Any, place: int, side: int | None) -> tuple[npt.NDArray, list[Any]]:
    with naming(what):
        item = data[place]
    label = []
    if isinstance(item, tuple):
        if len(item) not in (1, 2):
            raise UserError(f"{what} must be an item or a pair (item, label), got a tuple of {len(item)}")
        item, label = item[0], [*item[1:]]
    if isinstance(item, dict):
        raise UserError(f"{what} must be an image or a vector, got a dict: from_huggingface takes columns by name")
    if side is None and isinstance(item, Image.Image):
        raise UserError(f"{what} is an image, and the database holds vectors")
    row: Any = item if isinstance(item, Image.Image) else as_array(what, item)
    return row if side is None else square(what, row, side), label


def side_for(what: str, data: Any) -> int | None:
    """The side of the squares that images become, none for vectors.

    Args:
        what: What messages call the first item.
        data: Not empty.

    Raises:
        UserError: The first item cannot be read.
    """
    with naming(what):
        item = data[0]
    item = item[0] if isinstance(item, tuple) and item else item
    if isinstance(item, Image.Image):
        return side_of(*item.size)
    if isinstance(item, Tensor | np.ndarray) and item.ndim > 1:
        return side_of(*with_channels_last(what, as_array(what, item)[None]).shape[1:3])
    return None


def check_map_style(what: str, data: Any) -> None:
    """Looks whether items can be read by their position, again and again.

    Args:
        what: What messages call it.
        data: What is to be read.

    Raises:
        UserError: They cannot, or there are none.
    """
    if isinstance(data, IterableDataset) or not (hasattr(data, "__len__") and hasattr(data, "__getitem__")):
        raise UserError(
            f"{what} must be a map-style data set, with len and [index], got {type(data).__name__}: read what streams "
            "into a list first"
        )
    if len(data) == 0:
        raise UserError(f"{what} holds no items")


def _label_array(what: str, labels: list[Any] | None) -> npt.NDArray:
    if labels is None:
        raise UserError(f"{what} holds items alone: give pairs (item, label), or their labels beside them")
    return as_array(f"{what}: labels", [as_array(f"{what}: label {place}", one) for place, one in enumerate(labels)])
