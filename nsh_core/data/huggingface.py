"""Data sets in memory, read once from Hugging Face's: columns by name, or found where there is but one that fits."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nsh_core.data.arrays import Views, as_array, from_arrays
from nsh_core.data.dataset import Dataset
from nsh_core.data.splits import SPLIT_SEED
from nsh_core.data.torch_data import check_map_style, read_items, side_for
from nsh_core.errors import UserError
from nsh_core.registry import nearest

_MOST_QUERIES = 5000
_REAL = ("float", "uint8")
_WHOLE = ("int", "uint", "bool", "string", "large_string")


def from_huggingface(
    data: Any,
    *,
    item: str | None = None,
    label: str | None = None,
    train: str | None = None,
    database: str | None = None,
    query: str | None = None,
    validation: str | None = None,
    views: Views | None = None,
    stored_views: int = 8,
    name: str = "huggingface",
) -> Dataset:
    """A data set of images or vectors in memory, from a `datasets.DatasetDict`, or a `datasets.Dataset` of one split.

    Parquet shards, webdatasets, folders and the hub are read by `datasets.load_dataset`. Of a single split a tenth, at
    most 5,000, drawn by a fixed seed, are queries; the rest is the database, and trains. Formats and transforms of the
    data are left aside. Items and labels are as for from_torch; several class labels an item become multi-hot.

    Args:
        data: Splits by name, or one split.
        item: Column of the images or vectors; none: the only one of images, else the only one of vectors.
        label: Column of the labels; none: the only one of class labels, else the only one of numbers or text.
        train: Split of training items, of which the labels are not read; none: "train".
        database: Split that is searched; none: "database", else the training split.
        query: Split of test queries; none: "query", else "test".
        validation: Split of validation queries; none: "validation" where there is one that is not `query`, else a half
            of the queries.
        views: As for from_arrays, of vectors.
        stored_views: As for from_arrays.
        name: What messages call it.

    Returns:
        As from_arrays.

    Raises:
        UserError: The package is missing, or something does not fit; the line says what, what was got, what is allowed.
    """
    try:
        import datasets
    except ImportError as error:
        raise UserError(
            f"from_huggingface needs the package datasets ({error}): pip install '.[huggingface]'"
        ) from None
    if isinstance(data, datasets.Dataset):
        data = _one_split(data)
    if not isinstance(data, datasets.DatasetDict):
        raise UserError(
            f"{name}: data must be a datasets.Dataset or DatasetDict, got {type(data).__name__}: load what streams "
            "without streaming=True"
        )
    roles = _roles(name, data, {"train": train, "database": database, "query": query, "validation": validation})
    features = data[roles["database"]].features
    item = _column(name, "item", item, features, ("image", "vector"))
    label = _column(name, "label", label, features, ("class", "plain"))
    for role, split in roles.items():
        check_map_style(f"{name}: {role}", data[split])
        for column in (item,) if role == "train" else (item, label):
            if column not in data[split].features:
                raise UserError(f"{name}: split {split!r} has no column {column!r}, as {roles['database']!r} has")
        if role != "train" and _kind(features[label]) == "class" and data[split].features[label] != features[label]:
            raise UserError(f"{name}: splits {roles['database']!r} and {split!r} have other classes in {label!r}")
    pictures = _kind(features[item]) == "image"
    side = side_for(f"{name}: database[0]", _pictures(data[roles["database"]], item)) if pictures else None
    read: dict[str, npt.NDArray] = {}
    given: dict[str, Any] = {}
    for role, split in roles.items():
        what, rows = f"{name}: {role}", data[split]
        if split not in read:
            read[split] = read_items(what, _pictures(rows, item), side)[0] if pictures else _dense(what, rows, item)
        given[role] = read[split]
        if role != "train":
            given[f"{role}_labels"] = _labels(what, rows, label)
    return from_arrays(**given, views=views, stored_views=stored_views, name=name)


def _one_split(data: Any) -> Any:
    """A split as two, in an order drawn by a fixed seed."""
    import datasets

    order = np.random.default_rng(SPLIT_SEED).permutation(len(data))
    queries = max(2, min(_MOST_QUERIES, len(data) // 10))
    return datasets.DatasetDict({"train": data.select(order[queries:]), "test": data.select(order[:queries])})


def _roles(name: str, data: Any, given: dict[str, str | None]) -> dict[str, str]:
    """Part to the name of its split."""
    wrong = [(role, split) for role, split in given.items() if split is not None and split not in data]
    if wrong:
        role, split = wrong[0]
        raise UserError(f"{name}: {role} = {split!r} is none of the splits {', '.join(data)}{nearest(split, data)}")
    usual = {"train": ("train",), "database": ("database", given["train"] or "train"), "query": ("query", "test")}
    roles = {role: given[role] or next((one for one in names if one in data), "") for role, names in usual.items()}
    for role, split in roles.items():
        if not split:
            raise UserError(f"{name}: no split is called {usual[role][-1]!r}, known: {', '.join(data)}: give {role}")
    validation = given["validation"] or "validation"
    known = validation in data and (given["validation"] is not None or validation not in roles.values())
    return roles | {"validation": validation} if known else roles


def _kind(feature: Any) -> str:
    """What a column holds: "image", "class" (or several), "vector" (or pixels), "plain" or nothing of these."""
    import datasets

    if isinstance(feature, datasets.Image):
        return "image"
    inner = feature
    while isinstance(inner, datasets.List | datasets.LargeList):
        inner = inner.feature
    if isinstance(inner, datasets.ClassLabel):
        return "class"
    dtype = str(getattr(inner, "dtype", ""))
    arrays = (datasets.Array2D, datasets.Array3D, datasets.Array4D, datasets.Array5D)
    if inner is not feature or isinstance(feature, arrays):
        return "vector" if dtype.startswith(_REAL) else ""
    return "plain" if dtype.startswith(_WHOLE) else ""


def _column(name: str, what: str, given: str | None, features: Any, kinds: tuple[str, str]) -> str:
    """The column that is meant."""
    shown = ", ".join(f"{column} ({feature})" for column, feature in features.items())
    if given is not None:
        if given not in features:
            raise UserError(f"{name}: {what} = {given!r} is none of the columns {shown}{nearest(given, features)}")
        if what == "item" and _kind(features[given]) not in kinds:
            raise UserError(f"{name}: column {given!r} ({features[given]}) holds neither images nor vectors")
        return given
    for kind in kinds:
        found = [column for column, feature in features.items() if _kind(feature) == kind]
        if len(found) > 1:
            raise UserError(f"{name}: {', '.join(found)} may all be the {what}: give {what}, the name of the column")
        if found:
            return found[0]
    raise UserError(f"{name}: no column is known as the {what}: give {what}, one of {shown}")


def _pictures(split: Any, column: str) -> Any:
    """Images of Pillow, whatever the split's format gives."""
    import datasets

    return split.with_format(None).select_columns([column]).cast_column(column, datasets.Image())[column]


def _stored(split: Any, column: str) -> Any:
    """A column as Arrow holds it, of the rows of a split."""
    return split.with_format("arrow").select_columns([column])[:][column]


def _dense(what: str, split: Any, column: str) -> npt.NDArray:
    """Numbers of one shape in each row, in the type that they are stored in."""
    parts = []
    for values in _stored(split, column).chunks:
        shape = [len(values)]
        values = getattr(values, "storage", values)
        while hasattr(values.type, "value_type"):
            lengths = values.value_lengths().unique().to_pylist()
            if len(lengths) != 1 or lengths[0] is None:
                raise UserError(f"{what}: column {column!r} holds vectors of several lengths, or gaps: {lengths[:5]}")
            shape.append(lengths[0])
            values = values.flatten()
        if values.null_count:
            raise UserError(f"{what}: column {column!r} has gaps")
        parts.append(values.to_numpy(zero_copy_only=False).reshape(shape))
    if len({part.shape[1:] for part in parts}) > 1:
        raise UserError(f"{what}: column {column!r} holds vectors of several lengths")
    return np.concatenate(parts)


def _labels(what: str, split: Any, column: str) -> npt.NDArray:
    """Labels as they are; of several class labels an item multi-hot ones."""
    import datasets

    feature, values = split.features[column], _stored(split, column).to_pylist()
    several = not isinstance(feature, datasets.ClassLabel) and _kind(feature) == "class"
    if several:
        labels = np.zeros((len(values), feature.feature.num_classes), np.uint8)
        for row, own in zip(labels, values, strict=True):
            row[own] = 1
        return labels
    labels = as_array(f"{what}: column {column!r}", values)
    if isinstance(feature, datasets.ClassLabel) and labels.min() < 0:
        raise UserError(f"{what}: column {column!r} holds -1, as where labels are kept secret: choose another split")
    return labels
