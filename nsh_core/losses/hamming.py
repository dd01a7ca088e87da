"""Hamming similarity of codes."""

from __future__ import annotations

from torch import Tensor

from nsh_core.losses.products import products


def agreeing_bits(first: Tensor, second: Tensor) -> Tensor:
    """K - Hamming distance: K times S of the paper.

    Args:
        first: Codes [..., n, K] in -1/+1.
        second: Codes [..., n', K] in -1/+1.

    Returns:
        [..., n, n'], in bits.
    """
    return (products(first, second) + first.shape[-1]) / 2
