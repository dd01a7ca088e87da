"""Tensors of several runs as one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def stacked(runs: Sequence[Tensor]) -> Tensor:
    """[R, ...] of a tensor from each of R runs; a single one is not copied.

    Args:
        runs: At least one, of one shape.
    """
    return runs[0][None] if len(runs) == 1 else torch.stack(list(runs))
