"""What arrays of items and labels must be, whether they come from files or from memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nsh_core.data.dataset import Stored, scaled
from nsh_core.errors import UserError
from nsh_core.metrics.relevance import Labels, one_label_each

_ROWS = 512
_HIGHEST_SCALE = 1e36  # 255 times that is finite in float32


def scale_of(where: str | Path, arrays: Mapping[str, npt.NDArray]) -> float:
    """What a stored value is multiplied by: `scale`, or 1.

    Args:
        where: What messages call the place of the arrays.
        arrays: By name.

    Raises:
        UserError: It is not one positive number.
    """
    scale = np.asarray(arrays.get("scale", np.float32(1)))
    if scale.size != 1 or scale.dtype.kind not in "iuf":
        raise UserError(f"{where}: scale must be one number, got {scale.dtype} {list(scale.shape)}")
    value = float(scale.item())
    if not 0 < value < _HIGHEST_SCALE:
        raise UserError(f"{where}: scale must be a positive number below {_HIGHEST_SCALE:g}, got {value}")
    return value


def items_of(where: str | Path, arrays: Mapping[str, npt.NDArray], name: str, ndim: int, scale: float) -> Stored:
    """Items that are used as they are: uint8, float16, float32, or mapped into memory.

    Args:
        where: What messages call the place of the arrays.
        arrays: By name.
        name: Of the items.
        ndim: 2 for [N, D], 3 for [n, V, D].
        scale: Of a stored value.

    Raises:
        UserError: They have another shape, are no real numbers, or are not finite.
    """
    array = arrays[name]
    axes = "[n, V, D]" if ndim == 3 else "[N, D]"
    if array.ndim != ndim or array.size == 0:
        raise UserError(f"{where}: {name} must have shape {axes}, none of them 0, got {list(array.shape)}")
    if array.dtype != np.uint8 and not np.issubdtype(array.dtype, np.floating):
        raise UserError(f"{where}: {name} must be uint8 or floating point, got {array.dtype}")
    if array.dtype == np.uint8:
        return array
    for start in range(0, len(array), _ROWS):
        # As they will be used: in float32 a value may be infinite that is not in float64.
        finite = np.isfinite(scaled(array[start : start + _ROWS], scale).numpy())
        if not finite.all():
            row = start + int(np.argwhere(~finite)[0, 0])
            raise UserError(f"{where}: {name} holds NaN or infinite values (the first in row {row}), in float32")
    kept = isinstance(array, np.memmap) or array.dtype == np.float16
    return array if kept else array.astype(np.float32, copy=False)


def check_index(where: str | Path, index: npt.NDArray, count: int, size: int) -> None:
    """Looks whether an index says where training items stand in a database.

    Args:
        where: What messages call the place of the arrays.
        index: Should be [count].
        count: How many training items there are.
        size: Of the database.

    Raises:
        UserError: It does not.
    """
    if index.shape != (count,) or not np.issubdtype(index.dtype, np.integer):
        raise UserError(f"{where}: train_index must be whole numbers [{count}], got {index.dtype} {list(index.shape)}")
    if index.min() < 0 or index.max() >= size:
        raise UserError(
            f"{where}: train_index must lie in the database, 0 to {size - 1}, got {index.min()} to {index.max()}"
        )


def labels_of(where: str | Path, arrays: Mapping[str, npt.NDArray], counts: Mapping[str, int]) -> dict[str, Labels]:
    """Labels of parts, all [N] or all multi-hot [N, L]; a single column [N, 1] is one label each, and becomes [N].

    Args:
        where: What messages call the place of the arrays.
        arrays: By name, those of a part as PART_labels.
        counts: Part to how many items it has.

    Returns:
        Part to labels.

    Raises:
        UserError: They have another shape, or are no labels.
    """
    labels = {part: _own_labels(where, arrays, f"{part}_labels", count) for part, count in counts.items()}
    for part, own in labels.items():
        if own.shape[1:] != labels["database"].shape[1:]:
            raise UserError(
                f"{where}: {part}_labels {list(own.shape)} and database_labels {list(labels['database'].shape)} must "
                "both be [N] or both multi-hot [N, L]"
            )
    return labels


def _own_labels(where: str | Path, arrays: Mapping[str, npt.NDArray], name: str, count: int) -> Labels:
    labels = one_label_each(arrays[name])
    if labels.ndim not in (1, 2) or len(labels) != count or labels.shape[1:] == (0,):
        raise UserError(
            f"{where}: {name} must have shape [{count}] or [{count}, L], one row an item, got {list(labels.shape)}"
        )
    if not np.issubdtype(labels.dtype, np.integer) and labels.dtype != np.bool_:
        raise UserError(f"{where}: {name} must be whole numbers, got {labels.dtype}")
    if labels.ndim == 2 and not np.isin(labels, (0, 1)).all():
        raise UserError(f"{where}: {name} of shape [N, L] must be multi-hot, 0 or 1")
    return labels
