"""AP@k alone, in one pass over the database: only items that may still be among the first k are looked at again.

As soon as k items lie within a distance, a later item at that distance or beyond cannot be among the first k. The limit
only falls, so that some k ln(N / k) of N items in random order pass it.
"""

from __future__ import annotations

import numpy as np

from nsh_core.compiled import compiled
from nsh_core.metrics.counting import Float, Words, popcount, ranked

_BLOCK = 64  # items whose passing is the bits of one word
_ONE = np.uint64(1)


@compiled
def average_precision_at(
    query: Words, query_labels: Words, database: Words, database_labels: Words, multi: bool, levels: int, k: int
) -> Float:
    """AP@k [q], ties by index, to the bit what `counting.histograms` gives; faster where k is a small part of N.

    Args:
        query: As for `counting.histograms`.
        query_labels: As for it.
        database: As for it.
        database_labels: As for it.
        multi: As for it.
        levels: As for it.
        k: At least 1 and at most N.
    """
    words, size = database.shape
    number = query.shape[1]
    result = np.zeros(number)
    block = np.empty(_BLOCK, np.uint64)
    distance = np.empty(size, np.uint16)
    relevant = np.empty(size, np.uint8)
    for q in range(number):
        # As in counting: items and relevant items share a counter.
        counts = np.zeros(levels, np.int64)
        limit, within, kept = levels, np.int64(0), np.uint64(0)
        for start in range(0, size, _BLOCK):
            length = min(_BLOCK, size - start)
            for word in range(words):
                bits = query[word, q]
                row = database[word, start : start + length]
                if word == 0:
                    for i in range(length):
                        block[i] = popcount(bits ^ row[i])
                else:
                    for i in range(length):
                        block[i] += popcount(bits ^ row[i])
            near = np.uint64(0)
            for i in range(length):
                near |= np.uint64(block[i] < np.uint64(limit)) << np.uint64(i)
            within += np.int64(popcount(near))
            while near:
                place = popcount(~near & (near - _ONE))  # of the lowest bit
                near &= near - _ONE
                item = np.uint64(start) + place
                if multi:
                    good = _share(query_labels, q, database_labels, item)
                else:
                    good = query_labels[0, q] == database_labels[0, item]
                distance[kept] = block[place]
                relevant[kept] = good
                counts[block[place]] += 1 + (np.int64(good) << 32)
                kept += _ONE
            while within >= k:
                limit -= 1
                within -= counts[limit] & 0xFFFFFFFF
        before = np.int64(0)
        for level in range(levels):
            here = counts[level]
            counts[level] = before
            before += here
        result[q] = ranked(distance[:kept], relevant[:kept], counts, limit, k, 0)[0]
    return result


@compiled
def _share(query_labels: Words, q: int, database_labels: Words, item: int) -> bool:
    """Whether a query and an item share a label."""
    # numba knows no any() of a generator.
    for word in range(len(query_labels)):  # noqa: SIM110
        if query_labels[word, q] & database_labels[word, item]:
            return True
    return False
