"""Terms that keep codes balanced and close to binary."""

from __future__ import annotations

from torch import Tensor


def bit_balance(codes: Tensor) -> Tensor:
    """Mean over bits of the squared mean code; codes [..., n, K] in [-1, 1]. 0 when each bit is split evenly."""
    return codes.mean(dim=-2).square().mean(dim=-1)


def quantization(relaxed: Tensor) -> Tensor:
    """Mean squared distance of |tanh h| [..., n, K] from 1."""
    return (relaxed.abs() - 1).square().mean(dim=(-2, -1))
