"""Ranks by counting: one pass over the database for the histogram of a query's distances, one for the ranks.

Hamming distances are whole numbers, so sorting by them is counting: an item's rank is the number of items at smaller
distances plus the number of items before it at its own. Compiled by numba, with the interpreter's lock released.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba.core import types
from numba.extending import intrinsic

from nsh_core.compiled import compiled

Words = npt.NDArray[np.uint64]
Counts = npt.NDArray[np.int64]
Float = npt.NDArray[np.float64]


def _emit_popcount(typing_context: Any, word: Any) -> Any:
    """The processor's population count of a 64-bit word."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), emit


popcount: Any = intrinsic(_emit_popcount)


@compiled
def histograms(
    query: Words,
    query_labels: Words,
    database: Words,
    database_labels: Words,
    multi: bool,
    levels: int,
    k: int,
    cut: int,
    most_ranks: int,
) -> tuple[Counts, Counts, Float, Float, Counts]:
    """Counts for q queries: items at each distance, and what needs ranks, ties by index.

    Args:
        query: Codes [words, q].
        query_labels: [1, q], or packed multi-hot labels [words, q].
        database: Codes [words, N].
        database_labels: [1, N], or packed multi-hot labels [words, N].
        multi: Whether labels are multi-hot.
        levels: Distances told apart, 0 to levels - 1.
        k: Of AP@k.
        cut: Ranks among which relevant items are counted.
        most_ranks: How many ranks to look at; at 0 there are counts alone. AP@k and the relevant items among the first
            `cut` want max(k, cut) of them, AP over the whole database all N.

    Returns:
        Items [q, levels], relevant items [q, levels], AP@k [q], AP over the whole database [q], and the relevant items
        among the first `cut` ranks [q].
    """
    words, size = database.shape
    number = query.shape[1]
    counts = np.zeros((number, levels), np.int64)
    hits = np.zeros((number, levels), np.int64)
    ap_k, ap_all, found = np.zeros(number), np.zeros(number), np.zeros(number, np.int64)
    distance = np.empty(size, np.uint16)
    relevant = np.empty(size, np.uint8)
    for q in range(number):
        for word in range(words):
            bits = query[word, q]
            row = database[word]
            if word == 0:
                for i in range(size):
                    distance[i] = popcount(bits ^ row[i])
            else:
                for i in range(size):
                    distance[i] += popcount(bits ^ row[i])
        if multi:
            relevant[:] = 0
            for word in range(database_labels.shape[0]):
                bits = query_labels[word, q]
                if bits != 0:
                    row = database_labels[word]
                    for i in range(size):
                        relevant[i] |= np.uint8((bits & row[i]) != 0)
        else:
            label = query_labels[0, q]
            row = database_labels[0]
            for i in range(size):
                relevant[i] = np.uint8(row[i] == label)

        # Items and relevant items share a counter: low and high half. Two tables, as neighbours often tie.
        even, odd = np.zeros(levels, np.int64), np.zeros(levels, np.int64)
        for i in range(0, size - 1, 2):
            even[distance[i]] += 1 + (np.int64(relevant[i]) << 32)
            odd[distance[i + 1]] += 1 + (np.int64(relevant[i + 1]) << 32)
        if size % 2:
            even[distance[size - 1]] += 1 + (np.int64(relevant[size - 1]) << 32)
        before, last = np.int64(0), -1
        for level in range(levels):
            if (before & 0xFFFFFFFF) < most_ranks:
                last = level
            here = even[level] + odd[level]
            counts[q, level] = here & 0xFFFFFFFF
            hits[q, level] = here >> 32
            even[level] = before
            before += here
        if last < 0:
            continue

        ap_k[q], total, found[q] = ranked(distance, relevant, even, last, k, cut)
        if before >> 32 > 0:
            ap_all[q] = total / (before >> 32)
    return counts, hits, ap_k, ap_all, found


@compiled
def ranked(
    distance: npt.NDArray[np.uint16], relevant: npt.NDArray[np.uint8], before: Counts, last: int, k: int, cut: int
) -> tuple[float, float, int]:
    """Precisions at the ranks of a query's relevant items, added up in the order of the database.

    Args:
        distance: Of items to the query, [n], in the order of the database.
        relevant: Whether they are, [n].
        before: Items at smaller distances (low half) and relevant ones among them (high half), [levels]; written over.
        last: The distance up to which items are looked at.
        k: Of AP@k.
        cut: Ranks among which relevant items are counted.

    Returns:
        AP@k, the sum of precisions over all items looked at, and the relevant items among the first `cut` ranks.
    """
    total_k, total, hits_k, found = 0.0, 0.0, 0, 0
    for i in range(len(distance)):
        level = distance[i]
        if level > last:
            continue
        earlier = before[level]
        if relevant[i]:
            before[level] = earlier + (1 + (1 << 32))
            rank = earlier & 0xFFFFFFFF
            precision = ((earlier >> 32) + 1) / (rank + 1)
            total += precision
            if rank < k:
                total_k += precision
                hits_k += 1
            if rank < cut:
                found += 1
        else:
            before[level] = earlier + 1
    return total_k / hits_k if hits_k > 0 else 0.0, total, found
