"""Terms that keep codes balanced and close to binary."""

from __future__ import annotations

from torch import Tensor


def bit_balance(codes: Tensor) -> Tensor:
    """Mean over bits of the squared mean code; 0 when each bit is split evenly.

    Args:
        codes: [..., n, K] in [-1, 1].

    Returns:
        [...], in [0, 1].
    """
    return codes.mean(dim=-2).square().mean(dim=-1)


def quantization(relaxed: Tensor) -> Tensor:
    """Mean squared distance of |tanh h| from 1.

    Args:
        relaxed: tanh h [..., n, K].

    Returns:
        [...].
    """
    return (relaxed.abs() - 1).square().mean(dim=(-2, -1))
