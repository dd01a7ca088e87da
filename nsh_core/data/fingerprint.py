"""Identifies the content of arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

_ROWS = 4096


def fingerprint_of(arrays: Iterable[npt.NDArray]) -> str:
    """Identifies the content of arrays, 16 hex digits; reads them a part at a time."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode())
        for start in range(0, len(array), _ROWS):
            digest.update(np.ascontiguousarray(array[start : start + _ROWS]).data)
    return digest.hexdigest()[:16]
