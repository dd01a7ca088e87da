"""How long a query waits for its code."""

from __future__ import annotations

import time
from statistics import median

from nsh_core import Dataset, Hasher

_REPEATS = 5


def encode_ms(hasher: Hasher, dataset: Dataset) -> float:
    """Milliseconds from one query to its code, the median of five after one that is not counted.

    Where a frozen backbone gave the features, from these on.

    Args:
        hasher: A trained one.
        dataset: That it was trained on, as prepared for it.
    """
    query = next(iter(dataset.validation.batches()))[:1]
    times = []
    for _ in range(1 + _REPEATS):
        start = time.perf_counter()
        hasher.encode(query, any_scale=True)
        times.append(1000 * (time.perf_counter() - start))
    return median(times[1:])
