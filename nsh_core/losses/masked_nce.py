"""SortedNCE without a sorted list: soft masks say who attracts and who repels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import softplus

from nsh_core.losses.selection import negative_ranks


def masked_nce(
    latents: Tensor, first: Callable[[Sequence[int]], Tensor], num_positives: int, gap: int, negatives: str
) -> Tensor:
    """SortedNCE's terms, weighted by how far each item is among the first m ranks or among the negative ones.

    Where SortedNCE asks for the softly sorted list, C_j at rank j, this takes each item's own latent similarity C_i.
    With w_i its weight among the first m ranks and v_i among the negative ones, an anchor's loss is
    sum_i w_i / m log(1 + sum_k v_k exp C_k / exp C_i). With hard masks the two losses are one.

    Args:
        latents: C, [anchors, n] latent similarity over temperature.
        first: Gives masks [anchors, masks, n] of the items at the first so many ranks; see Sorter.first.
        num_positives: m, 1 <= m < n.
        gap: Ranks after m that are neither positive nor negative.
        negatives: Which ranks repel, all, hardest-k or farthest-k; see negative_ranks.

    Returns:
        [anchors].

    Raises:
        ValueError: The ranks do not suffice, or `negatives` are drawn at random or of no known kind.
    """
    chosen = negative_ranks(len(latents), latents.shape[1], num_positives, gap, negatives, [None])
    if isinstance(chosen, Tensor):
        raise ValueError(
            f"negatives = {negatives!r} draws from a list, and there is none: take all, hardest-k or farthest-k"
        )
    attracted, before, until = first((num_positives, chosen.start, chosen.stop)).unbind(dim=1)
    smallest = torch.finfo(latents.dtype).tiny
    repelled = ((until - before).clamp(min=smallest).log() + latents).logsumexp(dim=1, keepdim=True)
    return (attracted * softplus(repelled - latents)).sum(dim=1) / num_positives
