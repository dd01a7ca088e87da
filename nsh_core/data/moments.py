"""Mean and variance of values that come in chunks."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


def moments(values: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and variance of values, summed in double precision.

    Args:
        values: Chunks [rows, D].

    Returns:
        Mean [D] and variance [D], float64.
    """
    count, total, squares = 0, torch.zeros(()), torch.zeros(())
    for chunk in values:
        double = chunk.double()
        count += len(chunk)
        total = total + double.sum(dim=0)
        squares = squares + double.square().sum(dim=0)
    mean = total / count
    return mean, (squares / count - mean.square()).clamp(min=0)
