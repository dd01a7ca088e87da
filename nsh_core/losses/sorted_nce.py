"""SortedNCE and its selection of positives and negatives by rank."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import softplus

from nsh_core.sorters.levels import Ranked, run_of_rank, tally


def sorted_nce(
    ranked: Tensor | Ranked,
    num_positives: int,
    gap: int = 0,
    negatives: str = "all",
    generator: torch.Generator | None = None,
    n: int | None = None,
) -> Tensor:
    """SortedNCE (Yu et al. 2022): the first ranks attract, the rest repel.

    Args:
        ranked: [anchors, n] latent similarity over temperature, C in the paper; row i softly sorted by Hamming distance
            to anchor i. Or runs of equal ranks as a sorter gives them: the loss then needs how many positives and
            negatives each run holds.
        num_positives: m, 1 <= m < n.
        gap: Ranks after m that are neither positive nor negative.
        negatives: Of the ranks after m + gap "all", the first k ("hardest-k"), the last k ("farthest-k") or k at random
            for each anchor ("random-k").
        generator: On the CPU, of random negatives.
        n: The number of ranks, wanted with runs.

    Returns:
        The scalar loss, mean over anchors and positives.

    Raises:
        ValueError: The ranks do not suffice, or `negatives` are of no known kind.
    """
    return sorted_nce_by_anchor(ranked, num_positives, gap, negatives, [generator], n).mean()


def sorted_nce_by_anchor(
    ranked: Tensor | Ranked,
    num_positives: int,
    gap: int,
    negatives: str,
    generators: Sequence[torch.Generator | None],
    n: int | None = None,
) -> Tensor:
    """The loss of each anchor.

    Args:
        ranked: As for sorted_nce.
        num_positives: As for sorted_nce.
        gap: As for sorted_nce.
        negatives: As for sorted_nce.
        generators: Each draws the random negatives of its equal share of the anchors, in order.
        n: As for sorted_nce.

    Returns:
        [anchors], means over positives.

    Raises:
        ValueError: As sorted_nce.
    """
    values, counts = (ranked, None) if isinstance(ranked, Tensor) else (ranked.values, ranked.counts)
    n = values.shape[1] if n is None else n
    kind, _, number = negatives.partition("-")
    first = num_positives + gap
    k = int(number) if number else n - first
    if num_positives < 1 or gap < 0 or k < 1 or first + k > n:
        raise ValueError(
            f"num_positives = {num_positives}, gap = {gap} and negatives = {negatives!r} need more than n = {n} ranks"
        )
    if kind not in ("all", "hardest", "farthest", "random"):
        raise ValueError(f"negatives must be all, hardest-k, farthest-k or random-k, got {negatives!r}")
    start, end = (n - k, n) if kind == "farthest" else (first, first + k)
    draw = None
    if kind == "random":
        share = len(values) // len(generators), n - first
        chosen = [torch.rand(share, generator=generator).topk(k, dim=1).indices for generator in generators]
        draw = first + torch.cat(chosen).to(values.device)
    if counts is None:
        repelled = values[:, start:end] if draw is None else values.gather(1, draw)
        return softplus(repelled.logsumexp(dim=1, keepdim=True) - values[:, :num_positives]).mean(dim=1)

    if draw is None:
        among_negatives = _within(counts, start, end)
    else:
        among_negatives = tally(run_of_rank(counts, draw), torch.ones_like(draw, dtype=values.dtype), counts.shape[1])
    repelled = values.masked_fill(among_negatives == 0, -torch.inf) + among_negatives.clamp(min=1).log()
    attracted = _within(counts, 0, num_positives)
    terms = softplus(repelled.logsumexp(dim=1, keepdim=True) - values)
    return (attracted * terms).sum(dim=1) / num_positives


def _within(counts: Tensor, start: int, end: int) -> Tensor:
    """How many of the ranks start..end - 1 each run [B, runs] of `counts` ranks holds."""
    return counts.cumsum(dim=1).clamp(start, end).diff(dim=1, prepend=counts.new_full((len(counts), 1), start))
