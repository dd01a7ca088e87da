"""Hamming similarity of codes."""

from __future__ import annotations

from torch import Tensor

from nsh_core.losses.products import products


def agreeing_bits(first: Tensor, second: Tensor) -> Tensor:
    """K - Hamming distance [..., n, n'] between codes [..., n, K] and [..., n', K] in -1/+1: K times S of the paper."""
    return (products(first, second) + first.shape[-1]) / 2
