"""Work of several threads in order, whose results do not depend on how many threads there are."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import torch

Task = TypeVar("Task")
Result = TypeVar("Result")


def in_order(work: Callable[[Task], Result], tasks: Iterable[Task], threads: int) -> Generator[Result, None, None]:
    """What `work` makes of each task, in their order; threads share the tasks, no task is shared.

    torch computes each task in one thread, as sums depend on how many it takes. At most one task more than there are
    threads is begun and not yet handed over, so that memory is bounded.

    Args:
        work: Called by any of the threads.
        tasks: What it is called with.
        threads: How many, at least 1.

    Yields:
        The results.
    """
    known = torch.get_num_threads()
    torch.set_num_threads(1)  # of this thread, and of all that begin from now on
    left = iter(tasks)
    begun: deque[Future[Result]] = deque()
    try:
        with ThreadPoolExecutor(threads) as pool:
            try:
                begun += (pool.submit(work, task) for task in islice(left, threads + 1))
                while begun:
                    result = begun.popleft().result()
                    begun += (pool.submit(work, task) for task in islice(left, 1))
                    yield result
            finally:
                pool.shutdown(cancel_futures=True)
    finally:
        torch.set_num_threads(known)
