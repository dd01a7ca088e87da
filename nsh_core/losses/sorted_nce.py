"""SortedNCE and its selection of positives and negatives by rank."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus


def sorted_nce(
    ranked: Tensor,
    num_positives: int,
    gap: int = 0,
    negatives: str = "all",
    generator: torch.Generator | None = None,
) -> Tensor:
    """SortedNCE (Yu et al. 2022): the first ranks attract, the rest repel.

    ranked: [anchors, n] latent similarity over temperature, C in the paper; row i softly sorted by Hamming distance
        to anchor i.
    num_positives: m, 1 <= m < n. gap: ranks after m that are neither positive nor negative.
    negatives: of the ranks after m + gap "all", the first k ("hardest-k"), the last k ("farthest-k") or k at random
        for each anchor ("random-k", drawn on the CPU from `generator`).
    Returns the scalar loss, mean over anchors and positives. Raises ValueError if the ranks do not suffice.
    """
    n = ranked.shape[1]
    kind, _, count = negatives.partition("-")
    first = num_positives + gap
    k = int(count) if count else n - first
    if num_positives < 1 or gap < 0 or k < 1 or first + k > n:
        raise ValueError(
            f"num_positives = {num_positives}, gap = {gap} and negatives = {negatives!r} need more than n = {n} ranks"
        )
    repelled = ranked[:, first:]
    if kind == "hardest":
        repelled = repelled[:, :k]
    elif kind == "farthest":
        repelled = repelled[:, n - first - k :]
    elif kind == "random":
        draw = torch.rand(repelled.shape, generator=generator).topk(k, dim=1).indices
        repelled = repelled.gather(1, draw.to(ranked.device))
    elif kind != "all":
        raise ValueError(f"negatives must be all, hardest-k, farthest-k or random-k, got {negatives!r}")
    return softplus(repelled.logsumexp(dim=1, keepdim=True) - ranked[:, :num_positives]).mean()
