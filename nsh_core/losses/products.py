"""Products of matrices, run by run."""

from __future__ import annotations

from torch import Tensor

from nsh_core.stacked import stacked


def products(first: Tensor, second: Tensor) -> Tensor:
    """Inner products of rows.

    Of R runs one after another: a product of the whole stack rounds otherwise than that of a run alone.

    Args:
        first: [n, d], or [R, n, d].
        second: [m, d], or [R, m, d].

    Returns:
        [n, m], or [R, n, m].
    """
    if first.ndim == 2:
        return first @ second.mT
    return stacked([own @ other.mT for own, other in zip(first, second, strict=True)])
