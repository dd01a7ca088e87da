"""The nearest other items of each."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

_ROWS = 4096
_SIMILARITIES = 2**28  # at most so many at once, 1 GiB


def nearest_items(chunks: Iterable[Tensor], items: int, count: int) -> Tensor:
    """The nearest other items of each by cosine, centred.

    Memory holds the items once, and the similarities of some of them to all.

    Args:
        chunks: float32 [rows, D] of the items in order.
        items: n, how many they are.
        count: How many neighbours, fewer than n.

    Returns:
        Indices [n, count], nearest first.
    """
    units, done = torch.empty(0), 0
    for chunk in chunks:
        if done == 0:
            units = torch.empty(items, chunk.shape[1])
        units[done : done + len(chunk)] = chunk
        done += len(chunk)
    units -= units.mean(dim=0)
    units /= torch.linalg.vector_norm(units, dim=1, keepdim=True).clamp(min=1e-12)
    found = []
    size = max(1, min(_ROWS, _SIMILARITIES // items))
    for start in range(0, items, size):
        similarity = units[start : start + size] @ units.T
        rows = torch.arange(len(similarity))
        similarity[rows, start + rows] = -2
        found.append(similarity.topk(count, dim=1).indices)
    return torch.cat(found)
