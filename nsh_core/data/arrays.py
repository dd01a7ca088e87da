"""Data sets in memory, of arrays that somebody has already."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nsh_core.data.checks import check_index, items_of, labels_of, scale_of
from nsh_core.data.dataset import Dataset, scaled
from nsh_core.data.features import Features
from nsh_core.data.fingerprint import fingerprint_of
from nsh_core.data.images import Images
from nsh_core.data.pixels import side_of, squares, with_channels_last
from nsh_core.data.places import locate
from nsh_core.data.splits import Splits, shuffled, with_halves
from nsh_core.data.stored import read_arrays
from nsh_core.errors import UserError, in_a_line, naming
from nsh_core.metrics.relevance import one_label_each

Given = npt.ArrayLike | Tensor
Views = Callable[[Tensor, torch.Generator], Any]
Arrays = dict[str, npt.NDArray]

_PARTS = ("train", "database", "validation", "query")
_ROWS = 512
_MAP_AT = 1000


def from_arrays(
    database: Given,
    database_labels: Given,
    query: Given,
    query_labels: Given,
    *,
    train: Given | None = None,
    train_index: Given | None = None,
    train_views: Given | None = None,
    views: Views | None = None,
    stored_views: int = 8,
    validation: Given | None = None,
    validation_labels: Given | None = None,
    scale: Given | None = None,
    name: str = "arrays",
) -> Dataset:
    """A data set of vectors or images in memory; its arrays are called as in a feature file.

    Vectors are floats or uint8 [N, D]. Images are uint8, or floats in [0, 1], [N, 3, H, W] or [N, H, W, 3], with 1 in
    the place of 3 or [N, H, W] for grey; as image files, they become 8-bit RGB, scaled to a shorter side of at most 256
    (that of the first image of the database) and cut to the middle square. Vectors are not copied: change none later.

    Views of vectors are given, or drawn once, now, so that they are part of the content. Views of images are drawn in
    training by the recipe image.views. The database of vectors stays in its order (shuffle it: class order flatters
    ties), that of images is shuffled by a fixed seed, see `splits`. mAP is mAP@1000.

    Args:
        database: What is searched.
        database_labels: Whole numbers or text [N], or multi-hot [N, L].
        query: Test queries; without `validation` a half of them, drawn by a fixed seed, become validation queries.
        query_labels: Likewise.
        train: Training items; the same object as `database` where the database trains. Their labels are not asked for.
        train_index: Where they stand in the database [n], instead.
        train_views: Views of training vectors [n, V, D], V >= 2.
        views: Draws a view of each item instead: (items float32 [b, D], generator) to [b, D], torch or numpy. All that
            is random must come from the generator.
        stored_views: V, how many views `views` draws of each item.
        validation: Validation queries.
        validation_labels: Theirs.
        scale: Value of vectors = scale * stored, for uint8.
        name: What messages call it.

    Returns:
        The data set, for fit; `stored` names it for other processes.

    Raises:
        UserError: Something does not fit; the line says what, what was got, what is allowed.
    """
    if (validation is None) != (validation_labels is None):
        raise UserError(f"{name}: validation and validation_labels go together: give both, or none of them")
    given = {
        "train": train,
        "database": database,
        "validation": validation,
        "query": query,
        "train_index": train_index,
        "train_views": train_views,
        "scale": scale,
    }
    labels = {"database": database_labels, "query": query_labels, "validation": validation_labels}
    for part in ("database", "query"):
        for one, value in ((part, given[part]), (f"{part}_labels", labels[part])):
            if value is None:
                raise UserError(f"{name}: {one} must be an array, got None")
    for one in ("query", "validation"):
        shared = [other for other, value in given.items() if other != one and value is given[one] is not None]
        if shared:
            raise UserError(f"{name}: {one} must be items of its own, got those of {shared[0]}")
    if train is database:
        given["train"] = None
    arrays = {one: as_array(f"{name}: {one}", value) for one, value in given.items() if value is not None}
    if train is database:
        arrays["train_index"] = np.arange(len(np.atleast_1d(arrays["database"])))
    arrays |= _labels(name, {one: value for one, value in labels.items() if value is not None})
    if arrays["database"].ndim > 2:
        if views is not None:
            raise UserError(f"{name}: views of images are drawn by image.views: leave out views")
        return _images(name, arrays)
    if views is not None:
        arrays |= _drawn(name, arrays, views, stored_views)
    elif "train_views" not in arrays:
        raise UserError(
            f"{name}: training needs views of vectors: give train_views [n, V, D], or train (or train_index) and "
            "views, a function of (items, generator) that draws a view of each item"
        )
    return Features(name, arrays)


def as_array(what: str, value: Given) -> npt.NDArray:
    """Numbers or text of any origin as an array in the byte order of this machine.

    Args:
        what: What messages call it.
        value: An array, a tensor on any device, lists, a table.

    Raises:
        UserError: It makes none.
    """
    try:
        if isinstance(value, Tensor):
            value = value.detach().cpu()
            value = value.float() if value.dtype == torch.bfloat16 else value
        array = np.asarray(value)
    except (ValueError, TypeError, RuntimeError) as error:
        raise UserError(f"{what} must be an array of numbers: {in_a_line(error)}") from None
    if array.dtype.kind in "OT" and all(isinstance(one, str) for one in array.flat):
        array = array.astype(str)
    if array.dtype.kind not in "biufcU":
        raise UserError(f"{what} must be an array of numbers, got {array.dtype}: items of one size, and no gaps")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _labels(name: str, given: dict[str, Given]) -> Arrays:
    """Labels as int64 [N] or uint8 [N, L], whatever they came as, so that the same have the same fingerprint."""
    labels = {f"{part}_labels": as_array(f"{name}: {part}_labels", value) for part, value in given.items()}
    if all(own.ndim == 1 and own.dtype.kind == "U" for own in labels.values()):
        classes = np.unique(np.concatenate(list(labels.values())))
        labels = {one: np.searchsorted(classes, own) for one, own in labels.items()}
    for one, own in labels.items():
        if own.dtype.kind in "biu":
            single = one_label_each(own)
            multi_hot = single.ndim == 2 and np.isin(single, (0, 1)).all()
            labels[one] = single.astype(np.uint8 if multi_hot else np.int64)
    return labels


def _drawn(name: str, arrays: Arrays, views: Views, count: int) -> Arrays:
    """Views of the training items, drawn once."""
    if "train_views" in arrays:
        raise UserError(f"{name}: train_views holds what views would draw: give one of them")
    if count < 2:
        raise UserError(f"{name}: stored_views must be at least 2, got {count}")
    if ("train" in arrays) == ("train_index" in arrays):
        raise UserError(f"{name}: views are drawn of train, or of what train_index finds in the database: give one")
    scale, index = scale_of(name, arrays), arrays.get("train_index")
    items = items_of(name, arrays, "train" if index is None else "database", 2, scale)
    if index is not None:
        check_index(name, index, index.size or 1, len(items))
        items = items[index]
    drawn = np.empty((len(items), count, items.shape[1]), np.float32)
    for start in range(0, len(items), _ROWS):
        chunk = scaled(items[start : start + _ROWS], scale)
        generator = torch.Generator().manual_seed(start)
        for place in range(count):
            drawn[start : start + _ROWS, place] = _one_view(name, chunk, views, generator)
        again = _one_view(name, chunk, views, torch.Generator().manual_seed(start))
        if not np.array_equal(again, drawn[start : start + _ROWS, 0], equal_nan=True):
            raise UserError(f"{name}: views must draw all that is random from its generator: a seed gave two views")
    drawn /= np.float32(scale)
    return {"train_views": drawn}


def _one_view(name: str, items: Tensor, views: Views, generator: torch.Generator) -> npt.NDArray:
    with naming(f"{name}: views"):
        view = as_array(f"{name}: views", views(items.clone(), generator))
    if view.shape != tuple(items.shape) or view.dtype.kind not in "biuf":
        raise UserError(
            f"{name}: views must give numbers of the shape of its items, {list(items.shape)}, got {view.dtype} "
            f"{list(view.shape)}"
        )
    return view


def _images(name: str, arrays: Arrays) -> Images:
    """Images of all parts as one array, in the order of _PARTS."""
    for one, instead in (("train_views", "views of images are drawn by image.views"), ("scale", "images have none")):
        if one in arrays:
            raise UserError(f"{name}: {instead}: leave out {one}")
    if ("train" in arrays) == ("train_index" in arrays):
        raise UserError(f"{name}: the training images are either train, or where train_index says in the database")
    parts = {one: with_channels_last(f"{name}: {one}", arrays[one]) for one in _PARTS if one in arrays}
    side = side_of(*parts["database"].shape[1:3])
    counts = {one: len(own) for one, own in parts.items()}
    labels = labels_of(name, arrays, {one: count for one, count in counts.items() if one != "train"})
    # Nobody asks for the labels of training images.
    labels["train"] = np.zeros((counts.get("train", 0), *labels["database"].shape[1:]), labels["database"].dtype)
    images = np.concatenate([squares(f"{name}: {one}", own, side) for one, own in parts.items()])
    starts = np.cumsum([0, *counts.values()])
    places = {one: np.arange(start, start + counts[one]) for one, start in zip(counts, starts, strict=False)}
    if "train_index" in arrays:
        index = arrays["train_index"]
        check_index(name, index, index.size or 1, counts["database"])
        places["train"] = places["database"][index]
    if "validation" in places:
        split = Splits(places["train"], shuffled(places["database"]), places["validation"], places["query"])
    else:
        split = with_halves(places["train"], places["database"], places["query"])
    every = np.concatenate([labels[one] for one in parts])
    return Images(name, images, fingerprint_of([images]), every, split, _MAP_AT)


def arrays_folder(argument: str) -> Dataset:
    """arrays:FOLDER, as Dataset.stored wrote it.

    Args:
        argument: FOLDER.

    Raises:
        UserError: There is none, or it is damaged.
    """
    if not argument:
        raise UserError("dataset arrays wants a folder that Dataset.stored wrote: arrays:FOLDER")
    name, folder = f"arrays:{argument}", locate(argument)
    arrays, facts = read_arrays(folder)
    if "images" in arrays:
        split = Splits(*(arrays[one] for one in ("train", "database", "validation", "test")))
        return Images(name, arrays["images"], facts["content"]["images"], arrays["labels"], split, facts["map_at"])
    dataset = Features(name, arrays, folder)
    dataset.default_map_at = facts["map_at"]
    return dataset
