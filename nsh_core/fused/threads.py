"""Rows shared among threads: none depends on another, so that results do not depend on how many there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy.typing as npt
import torch

Array = npt.NDArray[Any]
# Less than that is done before another thread has begun.
_OF_THREAD = 2**17


def on_threads(work: Callable[..., None], rows: Sequence[Array], rest: Sequence[Any], cost: int = 1) -> None:
    """Calls work(*rows, *rest), with a share of the rows in each thread where that pays.

    Args:
        work: Compiled, without the interpreter's lock.
        rows: Arrays [B, ...]; the first is [B, n].
        rest: What all threads get.
        cost: Of a value [B, n], where that of a level's is 1.
    """
    count = len(rows[0])
    threads = min(torch.get_num_threads(), count, max(1, rows[0].size * cost // _OF_THREAD))
    if threads == 1:
        work(*rows, *rest)
        return
    step = -(-count // threads)
    parts = [[array[start : start + step] for array in rows] for start in range(0, count, step)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda part: work(*part, *rest), parts))
