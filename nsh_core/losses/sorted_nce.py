"""SortedNCE, the loss of a ranked list."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import softplus

from nsh_core.losses.selection import negative_ranks, take_ranks
from nsh_core.sending import sent
from nsh_core.sorters.levels import Ranked, run_of_rank, tally


def sorted_nce(
    ranked: Tensor | Ranked,
    num_positives: int,
    gap: int = 0,
    negatives: str = "all",
    generator: torch.Generator | None = None,
    n: int | None = None,
    softmaxes: int = 1,
) -> Tensor:
    """SortedNCE (Yu et al. 2022): the first ranks attract, the rest repel.

    Args:
        ranked: [anchors, n] latent similarity over temperature, C in the paper; row i softly sorted by Hamming distance
            to anchor i. Or runs of equal ranks as a sorter gives them: the loss then needs how many positives and
            negatives each run holds.
        num_positives: m, 1 <= m < n.
        gap: Ranks after m that are neither positive nor negative.
        negatives: Which ranks repel; see negative_ranks.
        generator: On the CPU, of random negatives.
        n: The number of ranks, wanted with runs.
        softmaxes: 1, or 2 where the cross entropy is taken of probabilities as if they were logits, as in public
            re-implementations: it then stays within log(1 + k / e) and log(1 + k e), k negatives.

    Returns:
        The scalar loss, mean over anchors and positives.

    Raises:
        ValueError: The ranks do not suffice, or `negatives` are of no known kind.
    """
    return sorted_nce_by_anchor(ranked, num_positives, gap, negatives, [generator], n, softmaxes).mean()


def sorted_nce_by_anchor(
    ranked: Tensor | Ranked,
    num_positives: int,
    gap: int,
    negatives: str,
    generators: Sequence[torch.Generator | None],
    n: int | None = None,
    softmaxes: int = 1,
) -> Tensor:
    """The loss of each anchor.

    Args:
        ranked: As for sorted_nce.
        num_positives: As for sorted_nce.
        gap: As for sorted_nce.
        negatives: As for sorted_nce.
        generators: Each draws the random negatives of its equal share of the anchors, in order.
        n: As for sorted_nce.
        softmaxes: As for sorted_nce.

    Returns:
        [anchors], means over positives.

    Raises:
        ValueError: As sorted_nce.
    """
    values, counts = (ranked, None) if isinstance(ranked, Tensor) else (ranked.values, ranked.counts)
    n = values.shape[1] if n is None else n
    chosen = negative_ranks(len(values), n, num_positives, gap, negatives, generators)
    if isinstance(chosen, Tensor):
        chosen = sent(chosen, values.device)
    if softmaxes == 2:
        by_rank = Ranked(values, counts).by_rank(n)
        return _of_probabilities(by_rank[:, :num_positives], take_ranks(by_rank, chosen))
    if counts is None:
        repelled = take_ranks(values, chosen)
        return softplus(repelled.logsumexp(dim=1, keepdim=True) - values[:, :num_positives]).mean(dim=1)

    if isinstance(chosen, slice):
        among_negatives = _within(counts, chosen.start, chosen.stop)
    else:
        ones = torch.ones_like(chosen, dtype=values.dtype)
        among_negatives = tally(run_of_rank(counts, chosen), ones, counts.shape[1])
    repelled = values.masked_fill(among_negatives == 0, -torch.inf) + among_negatives.clamp(min=1).log()
    attracted = _within(counts, 0, num_positives)
    terms = softplus(repelled.logsumexp(dim=1, keepdim=True) - values)
    return (attracted * terms).sum(dim=1) / num_positives


def _within(counts: Tensor, start: int, end: int) -> Tensor:
    """How many of the ranks start..end - 1 each run [B, runs] of `counts` ranks holds."""
    return counts.cumsum(dim=1).clamp(start, end).diff(dim=1, prepend=counts.new_full((len(counts), 1), start))


def _of_probabilities(attracted: Tensor, repelled: Tensor) -> Tensor:
    """Cross entropy [B] over probabilities: of each of [B, m] against all of [B, k], means over m."""
    others = repelled[:, None, :].expand(-1, attracted.shape[1], -1)
    probabilities = torch.cat([attracted[:, :, None], others], dim=2).softmax(dim=2)
    return -probabilities.log_softmax(dim=2)[:, :, 0].mean(dim=1)
