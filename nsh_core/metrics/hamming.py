"""Packed codes as words, for Hamming distances by population count."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nsh_core.codes import PackedCodes

Words = npt.NDArray[np.uint64]


def as_words(packed: PackedCodes) -> Words:
    """Packed codes [N, bytes] as 64-bit words [words, N], zero-padded; distances stay the same."""
    count, width = packed.shape
    padded = np.zeros((count, -(-width // 8) * 8), np.uint8)
    padded[:, :width] = packed
    return np.ascontiguousarray(padded.view(np.uint64).T)
