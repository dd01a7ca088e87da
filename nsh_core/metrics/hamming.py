"""Hamming distances between packed codes."""

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


def distances(queries: Words, database: Words) -> npt.NDArray[np.uint8 | np.uint16]:
    """Hamming distances [Q, N] between words [words, Q] and [words, N]; uint8 while they fit."""
    dtype = np.uint8 if len(queries) <= 3 else np.uint16
    total = np.zeros((queries.shape[1], database.shape[1]), dtype)
    for query_word, database_word in zip(queries, database, strict=True):
        total += np.bitwise_count(query_word[:, None] ^ database_word[None, :])
    return total
