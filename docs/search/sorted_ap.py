"""A loss on ranks, for the search in docs/search: no part of the package unless it earns a place there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from typing_extensions import override

from nsh_core import methods
from nsh_core.config import Config
from nsh_core.losses import agreeing_bits, products
from nsh_core.methods.base import Range
from nsh_core.methods.nsh import NSH
from nsh_core.model import Outputs


class SortedAP(NSH):
    """NSH with 1 - AP in the place of SortedNCE: relevant are the m items nearest in the latents.

    The sorter brings relevance, not similarity, into the order of the codes. With r_j what then stands at rank j, an
    item there has a precision of (1 + r_1 + ... + r_(j-1)) / j, and AP is the mean over the m relevant ones: exact for
    a hard list, tied items sharing their ranks.
    """

    paper = "He et al., Hashing as Tie-Aware Learning to Rank, CVPR 2018, with a soft sort and relevance by the latents"

    @classmethod
    @override
    def search_space(cls, config: Config) -> Mapping[str, Range]:
        space = dict(super().search_space(config))
        space.pop("loss.nce_temperature", None)
        return space

    @override
    def _surrogate(self, first: Outputs, second: Outputs, generators: Sequence[torch.Generator]) -> Tensor:
        bits = first.codes.shape[2]
        keys = agreeing_bits(first.codes, second.codes)
        similarity = products(first.latents.detach(), second.latents.detach())
        from_codes, from_latents = (torch.cat([matrix, matrix.mT], dim=1) for matrix in (keys, similarity))
        losses: list[Tensor] = [keys] * len(self._losses)
        for runs, _, sorter in self._alike:
            by_codes, by_latents = from_codes[runs].flatten(0, 1), from_latents[runs].flatten(0, 1)
            positives = self._losses[runs[0]].num_positives
            nearest = by_latents.topk(positives, dim=1).indices
            relevance = torch.zeros_like(by_codes).scatter_(1, nearest, 1.0)
            by_rank = sorter.sort_levels(by_codes, relevance, bits + 1).by_rank(by_codes.shape[1])
            ranks = torch.arange(1, by_rank.shape[1] + 1, device=by_rank.device)
            ap = (by_rank * (1 + by_rank.cumsum(dim=1) - by_rank) / ranks).sum(dim=1) / positives
            for run, value in zip(runs, (1 - ap).view(len(runs), -1).mean(dim=1), strict=True):
                losses[run] = value
        return torch.stack(losses)


methods.register("nsh_ap", SortedAP)
