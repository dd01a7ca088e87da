"""The direct way, as it is published and as public code of the field writes it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nsh_core.sorters import Sorter


def sorted_nce_dense(
    sorter: Sorter, codes: tuple[Tensor, Tensor], latents: tuple[Tensor, Tensor], m: int, temperature: float
) -> Tensor:
    """NSH as published: P [n, n, n], the latents sorted by it [n, n, d], and a loop over the positives.

    Args:
        sorter: Gives P.
        codes: Of two views, [n, K] in -1/+1 each.
        latents: Of two views, [n, d] each.
        m: Number of positives.
        temperature: Of the similarities.
    """
    first, second = codes
    keys = (first @ second.T + first.shape[1]) / 2
    permutation = sorter.permutation(keys)
    in_order = torch.einsum("ijk,kd->ijd", permutation, latents[1])
    similarity = torch.einsum("id,ijd->ij", latents[0], in_order) / temperature
    repelled = similarity[:, m:].exp().sum(dim=1)
    loss = torch.zeros((), dtype=similarity.dtype, device=similarity.device)
    for rank in range(m):
        attracted = similarity[:, rank].exp()
        loss = loss - (attracted / (attracted + repelled)).log().mean()
    return loss / m


def sinkhorn_dense(keys: Tensor, payload: Tensor, temperature: float, iterations: int) -> Tensor:
    """Sinkhorn sorting in log space on n x n costs, unrolled, from the potential of the hard transport.

    Args:
        keys: [b, n]; the largest comes first.
        payload: [b, n].
        temperature: Of the entropic regularisation.
        iterations: How many.

    Returns:
        The payload in order [b, n].
    """
    n = keys.shape[1]
    positions = torch.linspace(0.5, -0.5, n, dtype=keys.dtype, device=keys.device)
    ranked = keys.sort(dim=1, descending=True).values
    steps = (ranked[:, 1:] + ranked[:, :-1]) / (2 * (n - 1))
    by_rank = torch.nn.functional.pad(steps.cumsum(dim=1), (1, 0)) / temperature
    logits = positions[:, None] * keys[:, None, :] / temperature
    for _ in range(iterations):
        by_item = -(logits + by_rank[:, :, None]).logsumexp(dim=1)
        by_rank = -(logits + by_item[:, None, :]).logsumexp(dim=2)
    plan = (logits + by_item[:, None, :] + by_rank[:, :, None]).exp()
    return torch.einsum("bjk,bk->bj", plan, payload)


def map_loop(
    query: npt.NDArray, query_labels: npt.NDArray, database: npt.NDArray, database_labels: npt.NDArray,
    k: int,
) -> float:  # fmt: skip
    """mAP@k by argsort, a query at a time, on codes in -1/+1: the loop of the field's repositories.

    Args:
        query: Codes [Q, K].
        query_labels: [Q].
        database: Codes [N, K].
        database_labels: [N].
        k: How many of the nearest items count.
    """
    total = 0.0
    for code, label in zip(query, query_labels, strict=True):
        distance = 0.5 * (database.shape[1] - database @ code)
        relevant = (database_labels == label)[np.argsort(distance, kind="stable")][:k].astype(np.float32)
        found = int(relevant.sum())
        if found:
            ranks = np.flatnonzero(relevant) + 1.0
            total += float(np.mean(np.arange(1, found + 1) / ranks))
    return total / len(query)
