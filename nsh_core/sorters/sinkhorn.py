"""Sorting as entropic optimal transport to the ranks (Cuturi, Teboul & Vert, NeurIPS 2019)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nsh_core.errors import UserError
from nsh_core.sorters.base import Sorter, check_rows


class Sinkhorn(Sorter):
    """Entropic transport of n keys onto n evenly spaced rank positions, by Sinkhorn iterations.

    Cost -key * position, positions falling from 1/2 to -1/2; the plan times n, its rows normalised last, is the
    permutation. The dual potentials of the exact (hard) transport, known by sorting, are taken out of the kernel
    first: its entries are at most 1, with a 1 for every item, so that scaling it neither overflows nor needs
    logarithms at any temperature, and few iterations do.

    temperature: entropic regularisation, in bits: two items that far apart differ by a factor e between first
        and last rank.
    iterations: Sinkhorn iterations, at least 1.
    """

    default_temperature = 0.3
    search_range = (0.01, 2.0)

    def __init__(self, temperature: float | None = None, iterations: int = 10) -> None:
        super().__init__(temperature)
        if isinstance(iterations, bool) or not isinstance(iterations, int) or iterations < 1:
            raise UserError(f"sorter iterations must be a whole number of at least 1, got {iterations!r}")
        self.iterations = iterations

    def permutation(self, keys: Tensor) -> Tensor:
        check_rows(keys)
        n = keys.shape[1]
        positions = torch.linspace(0.5, -0.5, n, device=keys.device, dtype=keys.dtype)
        if n == 1:
            return torch.ones_like(keys)[:, :, None]
        ranked = keys.sort(dim=1, descending=True, stable=True).values
        steps = (ranked[:, 1:] + ranked[:, :-1]) / (2 * (n - 1))
        rank_potential = torch.nn.functional.pad(-steps.cumsum(dim=1), (1, 0)) / self.temperature
        logits = positions[None, :, None] * (keys / self.temperature)[:, None, :] - rank_potential[:, :, None]
        kernel = (logits - logits.detach().amax(dim=1, keepdim=True)).exp()
        by_item, by_rank = _Scalings.apply(kernel, self.iterations)
        return kernel * by_item * by_rank.transpose(1, 2)


class _Scalings(torch.autograd.Function):
    """Sinkhorn scalings of items and ranks, both [B, 1, n], of a kernel [B, ranks, items].

    The gradient is that of the unrolled iterations; the kernel's is a sum of outer products over all of them, taken
    in one matrix product instead of two n x n additions an iteration.
    """

    @staticmethod
    def forward(ctx: Any, kernel: Tensor, iterations: int) -> tuple[Tensor, Tensor]:
        # A row vector times a contiguous batch of matrices is several times faster than the other products.
        turned = kernel.transpose(1, 2).contiguous()
        by_ranks = [torch.ones_like(kernel[:, :1])]
        by_items = []
        for _ in range(iterations):
            by_items.append(1 / (by_ranks[-1] @ kernel))
            by_ranks.append(1 / (by_items[-1] @ turned))
        ctx.save_for_backward(kernel, turned, torch.cat(by_items, dim=1), torch.cat(by_ranks, dim=1))
        return by_items[-1], by_ranks[-1]

    @staticmethod
    def backward(ctx: Any, by_item: Tensor, by_rank: Tensor) -> tuple[Tensor, None]:
        kernel, turned, by_items, by_ranks = ctx.saved_tensors
        iterations = by_items.shape[1]
        to_ranks, to_items = [], []
        for step in range(iterations - 1, -1, -1):
            to_ranks.append(-by_rank * by_ranks[:, None, step + 1].square())
            by_item = by_item + to_ranks[-1] @ kernel
            to_items.append(-by_item * by_items[:, None, step].square())
            by_rank = to_items[-1] @ turned
            by_item = torch.zeros_like(by_item)
        ranks = torch.cat([*to_ranks[::-1], by_ranks[:, :iterations]], dim=1)
        items = torch.cat([by_items, *to_items[::-1]], dim=1)
        return ranks.transpose(1, 2) @ items, None
