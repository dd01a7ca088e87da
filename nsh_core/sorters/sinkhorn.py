"""Sorting as entropic optimal transport to the ranks (Cuturi, Teboul & Vert, NeurIPS 2019)."""

from __future__ import annotations

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

    default_temperature = 0.1
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
        by_rank = torch.ones_like(keys)[:, :, None]
        for _ in range(self.iterations):
            by_item = 1 / (kernel.transpose(1, 2) @ by_rank)
            by_rank = 1 / (kernel @ by_item)
        return kernel * by_item.transpose(1, 2) * by_rank
