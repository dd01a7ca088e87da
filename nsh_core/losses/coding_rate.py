"""The coding rate of a batch, large where its directions are many (Yu et al., NeurIPS 2020)."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn.functional import normalize


def coding_rate(values: Tensor, epsilon: Iterable[float | Tensor]) -> Tensor:
    """(K + n) / (2 K n) log det(I + K / (n epsilon) X^T X), X the rows brought to length 1.

    Run by run: matrices [K, K] of a whole stack round otherwise than those of a run alone.

    Args:
        values: [R, n, K].
        epsilon: Of each run, the squared distortion that the code may have, positive.

    Returns:
        [R].
    """
    return torch.stack([_of_run(own, allowed) for own, allowed in zip(values, epsilon, strict=True)])


def _of_run(values: Tensor, epsilon: float | Tensor) -> Tensor:
    n, bits = values.shape
    rows = normalize(values, dim=1)
    spread = torch.eye(bits, dtype=values.dtype, device=values.device) + bits / (n * epsilon) * (rows.mT @ rows)
    # Without a check, which would wait for a GPU: only NaN has no factor, and shows as a loss of NaN.
    return torch.linalg.cholesky_ex(spread).L.diagonal().log().sum() * (bits + n) / (bits * n)
