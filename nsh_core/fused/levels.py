"""The levels of an anchor: which Hamming distances its items have, and how many of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nsh_core.compiled import compiled
from nsh_core.metrics.counting import popcount

Words = npt.NDArray[np.uint64]
Floats = npt.NDArray[Any]


@compiled
def as_words(codes: Floats) -> Words:
    """Codes as words: bit k % 64 of word k // 64 is set where bit k of the code is +1.

    Args:
        codes: [n, K] in -1/+1.

    Returns:
        [n, ceil(K / 64)].
    """
    n, bits = codes.shape
    words = np.zeros((n, (bits + 63) // 64), np.uint64)
    for i in range(n):
        for k in range(bits):
            words[i, k // 64] |= np.uint64(codes[i, k] > 0) << np.uint64(k % 64)
    return words


@compiled
def distances(anchor: Words, items: Words, out: npt.NDArray[np.int16]) -> None:
    """Hamming distances [n] of items [n, words] to an anchor [words]."""
    if len(anchor) == 1:
        for i in range(len(items)):
            out[i] = popcount(anchor[0] ^ items[i, 0])
        return
    for i in range(len(items)):
        out[i] = 0
        for word in range(len(anchor)):
            out[i] += popcount(anchor[word] ^ items[i, word])


@compiled
def tally(
    distance: npt.NDArray[np.int16],
    payload: Floats,
    count: Floats,
    total: Floats,
    level: Floats,
    run: npt.NDArray[np.int16],
) -> int:
    """Items and payload by occupied level, nearest first.

    Args:
        distance: Of the items [n].
        payload: Of the items [n].
        count: Gets the number of items of each occupied level; [K + 1], as the others.
        total: Gets the sum of their payloads.
        level: Gets the Hamming distance.
        run: Gets, of each item [n], which occupied level it has.

    Returns:
        How many levels are occupied.
    """
    place = np.full(len(count), -1, np.int16)
    for i in range(len(distance)):
        place[distance[i]] = 0
    runs = 0
    for u in range(len(place)):
        if place[u] == 0:
            place[u] = runs
            level[runs], count[runs], total[runs] = u, 0.0, 0.0
            runs += 1
    for i in range(len(distance)):
        one = place[distance[i]]
        run[i] = one
        count[one] += 1.0
        total[one] += payload[i]
    return runs


@compiled
def hand_back(
    payload: Floats,
    by_key: Floats,
    place: npt.NDArray[np.int16],
    levels: int,
    factor: Floats,
    rest: Floats,
    by_payload: Floats,
    scales: tuple[float, float],
) -> None:
    """What levels have gathered for their items, to the items of an anchor.

    Args:
        payload: Of the items [n]; gets its gradient.
        by_key: Gets the gradient of the keys [n], the item's payload times `factor` and `rest`.
        place: Of each item's level, [n].
        levels: How many there are.
        factor: Of each level; it is scaled, as the others.
        rest: Of each level.
        by_payload: Of each level.
        scales: Factors of the gradients of keys and payload.
    """
    for u in range(levels):
        factor[u] *= scales[0]
        rest[u] *= scales[0]
        by_payload[u] *= scales[1]
    for k in range(len(place)):
        u = place[k]
        by_key[k] = payload[k] * factor[u] + rest[u]
        payload[k] = by_payload[u]
