"""DFTopK (Zhu et al., arXiv 2510.11472, 2025): masks of the first ranks by a sigmoid around a midpoint."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from typing_extensions import override

from nsh_core.sorters.base import FirstRanks, check_rows


class DFTopK(FirstRanks):
    """Item i is among the first m by sigmoid((s_i - t) / temperature), t midway between the m-th and the next key.

    There is no list, and nothing is solved for: a mask of m ranks need not sum to m. A mask of 0 ranks is 0, one of n,
    after which no key comes, is 1.

    Keys that are whole numbers often have the m-th and the next equal. The threshold is that key then, and each of its
    items has one half, however many of them there are and whatever is left of the m ranks. A threshold moves with the
    items that have one of its two keys, in equal parts (authors' code: with one item each), so that gradients are the
    mean over a random order of ties.
    """

    paper = "Zhu et al., Differentiable Fast Top-K Selection for Large-Scale Recommendation, arXiv 2510.11472, 2025"
    default_temperature = 1.0
    search_range = (0.1, 10.0)

    @override
    def first(self, keys: Tensor, counts: Sequence[int]) -> Tensor:
        check_rows(keys)
        n = keys.shape[1]
        inside = [count for count in counts if 0 < count < n]
        largest = keys.detach().topk(max(inside, default=0) + 1, dim=1).values
        masks = {0: torch.zeros_like(keys), n: torch.ones_like(keys)}
        for count in inside:
            threshold = 0.5 * (_moving(keys, largest[:, count - 1]) + _moving(keys, largest[:, count]))
            masks[count] = ((keys - threshold) / self.temperature).sigmoid()
        return torch.stack([masks[count] for count in counts], dim=1)


def _moving(keys: Tensor, value: Tensor) -> Tensor:
    """A value [B] that stands among keys [B, n], as [B, 1] that moves with all keys equal to it, in equal parts."""
    return keys.where(keys == value[:, None], -torch.inf).amax(dim=1, keepdim=True)
