"""Rows in no order of arrays mapped into memory that may be larger than it."""

from __future__ import annotations

import mmap

import numpy as np
import numpy.typing as npt

_LARGE = 2**30  # bytes; what is smaller stays in memory once it was read


def scattered_rows(array: npt.NDArray, *index: npt.NDArray[np.int64]) -> npt.NDArray:
    """Rows of an array, in any order.

    Of a large mapped one the system is asked for all of them at once. It would read each when its turn comes, and with
    it much of what lies around, for nothing.

    Args:
        array: [N, D], or [n, V, D].
        index: Of the rows [b], for each axis but the last.

    Returns:
        [b, D].
    """
    mapped = _map_of(array)
    asks = array.flags.c_contiguous and array.nbytes >= _LARGE and hasattr(mmap, "MADV_WILLNEED")
    if mapped is None or not asks:
        return array[index]
    start = array.ctypes.data - np.frombuffer(mapped, np.uint8).ctypes.data
    width = array.shape[-1] * array.itemsize
    begins = start + np.sort(np.ravel_multi_index(index, array.shape[:-1])) * width
    pages = begins // mmap.PAGESIZE * mmap.PAGESIZE
    mapped.madvise(mmap.MADV_RANDOM)
    for page, length in zip(pages.tolist(), (begins + width - pages).tolist(), strict=True):
        mapped.madvise(mmap.MADV_WILLNEED, page, length)
    found = array[index]
    mapped.madvise(mmap.MADV_NORMAL)  # whoever goes through all of it is served better so
    return found


def _map_of(array: npt.NDArray) -> mmap.mmap | None:
    base = array.base
    while isinstance(base, np.ndarray):
        base = base.base
    return base if isinstance(base, mmap.mmap) else None
