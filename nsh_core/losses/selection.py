"""Which ranks of a list attract and which repel."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def negative_ranks(
    anchors: int,
    n: int,
    num_positives: int,
    gap: int,
    negatives: str,
    generators: Sequence[torch.Generator | None],
) -> slice | Tensor:
    """The ranks that repel.

    Args:
        anchors: How many lists there are.
        n: Ranks of each.
        num_positives: m, first ranks taken as positives, 1 <= m < n.
        gap: Ranks after m that are neither positive nor negative.
        negatives: Of the ranks after m + gap "all", the first k ("hardest-k"), the last k ("farthest-k") or k at random
            for each anchor ("random-k").
        generators: On the CPU; each draws the random negatives of its equal share of the anchors, in order.

    Returns:
        A slice, the same for all anchors, or int64 [anchors, k] on the CPU where they are drawn.

    Raises:
        ValueError: The ranks do not suffice, or `negatives` are of no known kind.
    """
    kind, _, number = negatives.partition("-")
    first = num_positives + gap
    k = int(number) if number else n - first
    if num_positives < 1 or gap < 0 or k < 1 or first + k > n:
        raise ValueError(
            f"num_positives = {num_positives}, gap = {gap} and negatives = {negatives!r} need more than n = {n} ranks"
        )
    if kind not in ("all", "hardest", "farthest", "random"):
        raise ValueError(f"negatives must be all, hardest-k, farthest-k or random-k, got {negatives!r}")
    if kind == "random":
        share = anchors // len(generators), n - first
        return first + torch.cat([torch.rand(share, generator=one).topk(k, dim=1).indices for one in generators])
    return slice(n - k, n) if kind == "farthest" else slice(first, first + k)


def take_ranks(lists: Tensor, chosen: slice | Tensor) -> Tensor:
    """Values of lists [anchors, n] at ranks that negative_ranks chose, [anchors, k]."""
    return lists[:, chosen] if isinstance(chosen, slice) else lists.gather(1, chosen)
