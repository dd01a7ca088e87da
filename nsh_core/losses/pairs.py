"""Pairs of a batch for methods that keep the similarity of features (GreedyHash, Bi-half Net, SDC)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from nsh_core.model import Outputs


def paired_cosines(views: Sequence[Tensor]) -> Tensor:
    """Cosines within each view: of its first half with its second half.

    The public code of these methods pairs the two halves of a batch so; an odd last item is left out.

    Args:
        views: Values [..., n, D] of each of two views.

    Returns:
        [..., 2 (n // 2)].
    """
    half = views[0].shape[-2] // 2
    pairs = [cosine_similarity(view[..., :half, :], view[..., half : 2 * half, :], dim=-1) for view in views]
    return torch.cat(pairs, dim=-1)


def feature_cosines(first: Outputs, second: Outputs) -> Tensor:
    """paired_cosines of the features, which no gradient reaches."""
    return paired_cosines((first.features.detach(), second.features.detach()))
