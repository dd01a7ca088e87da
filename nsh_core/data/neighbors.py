"""The nearest items of each item."""

from __future__ import annotations

import torch
from torch import Tensor

_ROWS = 4096


def nearest_others(units: Tensor, count: int) -> Tensor:
    """The nearest other items of each by cosine.

    Args:
        units: [n, D] of length 1.
        count: How many, below n.

    Returns:
        Indices [n, count], nearest first.
    """
    found = []
    for start in range(0, len(units), _ROWS):
        similarity = units[start : start + _ROWS] @ units.T
        rows = torch.arange(len(similarity))
        similarity[rows, start + rows] = -2
        found.append(similarity.topk(count, dim=1).indices)
    return torch.cat(found)
