"""What binary codes make cheap: the keys of an anchor take at most K + 1 values.

With d_i the Hamming distance of item i, level u holds the c_u items with d_i = u. A sorter whose weight W_ju of item i
at rank j depends on the item through its level alone needs counts and payload sums p_u per level only:

    out_j = sum_i W_j(i) payload_i / sum_i W_j(i) = sum_u W_ju p_u / sum_u W_ju c_u,

O(n K) in place of O(n^2) for an anchor, and nothing is approximated. With a_j = g_j / (sum_u W_ju c_u), g the gradient
of out, the gradient of the logarithm of item i's weight at rank j is a_j W_ju (payload_i - out_j): per level two sums
over ranks, one to be multiplied by the item's own payload.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from typing_extensions import override

# exp of it, and of three quarters of it once more, still is a double.
_LARGEST_EXPONENT = 400.0
_CHUNK = 2**22


@dataclass(frozen=True)
class Ranked:
    """A sorted payload.

    Attributes:
        values: [B, runs], each one standing for the next `counts` ranks.
        counts: [B, runs]; none where each value stands for one rank.
    """

    values: Tensor
    counts: Tensor | None = None

    def by_rank(self, n: int) -> Tensor:
        """The payload [B, n], rank by rank."""
        if self.counts is None:
            return self.values
        return self.values.gather(1, run_of_rank(self.counts, torch.arange(n, device=self.values.device)))


def run_of_rank(counts: Tensor, ranks: Tensor) -> Tensor:
    """The run that each rank falls into.

    Args:
        counts: Whole numbers [B, runs].
        ranks: [r] or [B, r], from 0.

    Returns:
        [B, r].
    """
    ends = counts.cumsum(dim=1)
    wanted = ranks.to(ends.dtype).expand(len(counts), ranks.shape[-1]).contiguous()
    return torch.searchsorted(ends, wanted, right=True)


def to_levels(keys: Tensor, levels: int) -> Tensor:
    """Hamming distances of keys that count agreeing bits.

    Args:
        keys: [B, n]; NaN gets any level.
        levels: K + 1.

    Returns:
        int64 [B, n], from 0 to K.
    """
    return (levels - 1 - keys).round().long().clamp_(0, levels - 1)


def tally(index: Tensor, values: Tensor, levels: int) -> Tensor:
    """Sums of values over the items of each level.

    Args:
        index: Level of each item, int64 [B, n].
        values: [B, n].
        levels: K + 1.

    Returns:
        [B, levels].
    """
    return values.new_zeros(len(values), levels).scatter_add_(1, index, values)


def count(index: Tensor, levels: int, dtype: torch.dtype) -> Tensor:
    """How many items each level has.

    Args:
        index: Level of each item, int64 [B, n].
        levels: K + 1.
        dtype: Of the counts.

    Returns:
        [B, levels].
    """
    return tally(index, torch.ones((), dtype=dtype, device=index.device).expand(index.shape), levels)


def exponentials_fit(temperature: float, levels: int) -> bool:
    """Whether exp(key / temperature) may stand in double precision, without a maximum taken away."""
    return (levels - 1) / temperature < _LARGEST_EXPONENT


def row_chunks(rows: int, size_of_row: int) -> Iterator[slice]:
    """Cuts rows into chunks that hold about four million values together.

    Args:
        rows: How many there are.
        size_of_row: Values of a row.

    Yields:
        Slices of rows; the last may end behind them.
    """
    step = max(1, _CHUNK // size_of_row)
    for start in range(0, rows, step):
        yield slice(start, start + step)


def over_ranks(values: Tensor, weights: Tensor) -> Tensor:
    """Sums over ranks [b, L] of values [b, n], weights [n, L] for all anchors or [b, n, L]."""
    return (values[:, None, :] @ weights)[:, 0] if weights.ndim == 3 else values @ weights


def over_levels(values: Tensor, weights: Tensor) -> Tensor:
    """Sums over levels [b, n] of values [b, L], weights [n, L] for all anchors or [b, n, L]."""
    return (weights @ values[:, :, None])[:, :, 0] if weights.ndim == 3 else values @ weights.T


class Chunk(Protocol):
    """The sort of a chunk of anchors: `out` [b, n], and the gradients of keys and payload by that of `out`."""

    @property
    def out(self) -> Tensor:
        """Sorted payload [b, n]."""

    def gradients(self, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """Of keys and payload, both [b, n], by that of `out` [b, n]."""


class ByChunks(torch.autograd.Function):
    """Sorts chunk by chunk and, where there are several, does each once more in the backward pass: memory O(B n).

    Args:
        make: (keys, payload, *others), rows of each, to a Chunk.
        size_of_row: Values that a Chunk holds for a row.
        keys: [B, n].
        payload: [B, n].
        others: Further tensors of B rows, without a gradient.
    """

    @staticmethod
    @override
    def forward(
        ctx: Any, make: Callable[..., Chunk], size_of_row: int, keys: Tensor, payload: Tensor, *others: Tensor
    ) -> Tensor:
        inputs = (keys, payload, *others)
        ctx.save_for_backward(*inputs)
        ctx.make, ctx.size_of_row, ctx.kept = make, size_of_row, None
        out = torch.empty_like(payload)
        for rows in row_chunks(len(keys), size_of_row):
            chunk = make(*(tensor[rows] for tensor in inputs))
            out[rows] = chunk.out
            if rows.stop >= len(keys) and rows.start == 0:
                ctx.kept = chunk
        return out

    @staticmethod
    @once_differentiable
    @override
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        inputs = ctx.saved_tensors
        if ctx.kept is not None:
            results = ctx.kept.gradients(gradient)
        else:
            results = torch.empty_like(inputs[0]), torch.empty_like(inputs[1])
            for rows in row_chunks(len(gradient), ctx.size_of_row):
                chunk = ctx.make(*(tensor[rows] for tensor in inputs))
                results[0][rows], results[1][rows] = chunk.gradients(gradient[rows])
        return (None, None, *results, *(None for _ in inputs[2:]))
