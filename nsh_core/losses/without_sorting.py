"""Surrogates that hand the order of the latents over to the codes without any sort of the codes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nsh_core.losses.selection import negative_ranks, take_ranks
from nsh_core.losses.sorted_nce import sorted_nce_by_anchor
from nsh_core.sending import sent

Generators = Sequence[torch.Generator | None]


def listwise(
    latents: Tensor, codes: Tensor, num_positives: int, gap: int, negatives: str, generators: Generators
) -> Tensor:
    """Cross entropy of two softmaxes over a list (ListNet, Cao et al., ICML 2007): the latents teach, the codes learn.

    No gradient reaches the latents. The lists hold all items with a gap of 0 and all negatives; else the m positives
    and the negatives, by rank in the latents.

    Args:
        latents: [anchors, n] latent similarity over the teacher's temperature.
        codes: [anchors, n] code similarity, the cosine of codes, over the student's temperature.
        num_positives: m, 1 <= m < n.
        gap: Ranks after m that are left out.
        negatives: See negative_ranks.
        generators: See negative_ranks.

    Returns:
        [anchors].

    Raises:
        ValueError: As negative_ranks.
    """
    latents = latents.detach()
    anchors, n = latents.shape
    chosen = negative_ranks(anchors, n, num_positives, gap, negatives, generators)
    if isinstance(chosen, Tensor) or chosen != slice(num_positives, n):
        lists = _by_latents(latents, latents), _by_latents(latents, codes)
        chosen = chosen if isinstance(chosen, slice) else sent(chosen, latents.device)
        latents, codes = (torch.cat([one[:, :num_positives], take_ranks(one, chosen)], dim=1) for one in lists)
    return -(latents.softmax(dim=1) * codes.log_softmax(dim=1)).sum(dim=1)


def pairwise(
    latents: Tensor, codes: Tensor, num_positives: int, gap: int, negatives: str, generators: Generators
) -> Tensor:
    """InfoNCE on codes, whose positives are the m items nearest in the latents: SortedNCE with the two exchanged.

    No gradient reaches the latents, which are sorted by a hard sort, ties by index.

    Args:
        latents: [anchors, n] latent similarity.
        codes: [anchors, n] code similarity, the cosine of codes, over temperature.
        num_positives: m, 1 <= m < n.
        gap: Ranks after m that are neither positive nor negative.
        negatives: See negative_ranks.
        generators: See negative_ranks.

    Returns:
        [anchors], means over positives.

    Raises:
        ValueError: As negative_ranks.
    """
    return sorted_nce_by_anchor(_by_latents(latents, codes), num_positives, gap, negatives, generators)


def _by_latents(latents: Tensor, values: Tensor) -> Tensor:
    """Values [anchors, n] in the order of falling latent similarity [anchors, n]."""
    return values.gather(1, latents.argsort(dim=1, descending=True, stable=True))
