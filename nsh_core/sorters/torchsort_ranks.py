"""Soft ranks by projection onto the permutahedron (Blondel, Teboul, Berthet & Djolonga, ICML 2020)."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from nsh_core.sorters.base import Sorter, check_rows, one_of, positive
from nsh_core.sorters.levels import ByChunks, Ranked, count, over_ranks, tally, to_levels


class TorchSort(Sorter):
    """torchsort's soft ranks r, made a soft permutation by a kernel on rank distance.

    Row j is a softmax over items i of -|r_i - j| / (bandwidth * temperature), ranks j from 1.

    Args:
        temperature: The key difference, in bits, that unconstrained soft ranks ("l2") or their logarithms ("kl")
            spread over all n ranks; torchsort's regularization_strength is temperature / n, or / log n.
        regularization: "l2" (quadratic) or "kl" (entropic).
        bandwidth: Width of the kernel in ranks at a temperature of 1.

    Raises:
        UserError: An option that is not allowed.
    """

    paper = "Blondel et al., Fast Differentiable Sorting and Ranking, ICML 2020"
    package = "torchsort"
    default_temperature = 3.0
    search_range = (0.1, 20.0)
    level_form = "levels"

    def __init__(self, temperature: float | None = None, regularization: str = "l2", bandwidth: float = 1.0) -> None:
        super().__init__(temperature)
        self.regularization = one_of("regularization", regularization, ("l2", "kl"))
        self.bandwidth = positive("bandwidth", bandwidth)

    def soft_ranks(self, keys: Tensor) -> Tensor:
        """Soft ranks [B, n] of keys [B, n]; the largest key is near rank 1."""
        from torchsort import ops, soft_rank

        n = keys.shape[1]
        built_for_cuda = ops.isotonic_l2_cuda.__name__ != "_error"
        where = keys if built_for_cuda else keys.cpu()
        if self.regularization == "l2":
            ranks = soft_rank(-where, "l2", self.temperature / n)
        else:
            ranks = _SoftRankKL.apply(-where * (math.log(max(n, 2)) / self.temperature))
        return ranks.to(keys.device)

    @override
    def permutation(self, keys: Tensor) -> Tensor:
        check_rows(keys)
        ranks = self.soft_ranks(keys)
        distance = (ranks[:, None, :] - _places(ranks)[:, None]).abs()
        return (-distance / (self.bandwidth * self.temperature)).softmax(dim=2)

    @override
    def sort_levels(self, keys: Tensor, payload: Tensor, levels: int) -> Ranked:
        check_rows(keys, payload)
        width = self.bandwidth * self.temperature
        ranks, index = self.soft_ranks(keys), to_levels(keys, levels)
        if keys.device.type == "cpu" and keys.dtype in (torch.float32, torch.float64):
            from nsh_core.fused import carry_to_ranks  # numba's import takes as long as torch's

            return Ranked(carry_to_ranks(ranks, payload, index, width, levels))
        make = partial(_Chunk, width=width, levels=levels)
        return Ranked(ByChunks.apply(make, keys.shape[1] * levels, ranks, payload, index))


def _places(ranks: Tensor) -> Tensor:
    """The ranks 1..n."""
    return torch.arange(1, ranks.shape[1] + 1, device=ranks.device, dtype=ranks.dtype)


class _Chunk:
    """The kernel on rank distance with one soft rank for each level: equal keys have equal soft ranks."""

    def __init__(self, ranks: Tensor, payload: Tensor, index: Tensor, width: float, levels: int) -> None:
        self.payload, self.index, self.width = payload, index, width
        counts = count(index, levels, ranks.dtype)
        level_rank = ranks.new_full(counts.shape, torch.inf).scatter_(1, index, ranks)
        self.offset = (level_rank[:, None, :] - _places(ranks)[:, None]) / width
        distance = self.offset.abs()
        self.weights = (distance.amin(dim=2, keepdim=True) - distance).exp()
        carried = torch.stack([counts, tally(index, payload, levels)], dim=1)
        weight, total = (carried @ self.weights.transpose(1, 2)).unbind(dim=1)
        self.share = 1 / weight
        self.out = total * self.share

    def gradients(self, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """Of soft ranks and payload, both [b, n]."""
        a = gradient * self.share
        by_payload, rest = (
            (torch.stack([a, a * self.out], dim=1) @ (self.weights * self.offset.sign()) / self.width)
            .gather(2, self.index[:, None, :].expand(-1, 2, -1))
            .unbind(dim=1)
        )
        return rest - self.payload * by_payload, over_ranks(a, self.weights).gather(1, self.index)


class _SoftRankKL(torch.autograd.Function):
    """torchsort's entropic soft ranks of theta [B, n], ascending, with a backward pass that cannot overflow.

    The library's backward takes exp(theta) as it stands and gives 0 / 0 below -88 in float32. The same weights are
    r / (sum of w over the pooled block), which needs no exponential.
    """

    @staticmethod
    def forward(ctx: Any, theta: Tensor) -> Tensor:
        from torchsort import ops

        ordered, permutation = theta.sort(dim=1, descending=True)
        w = torch.arange(theta.shape[1], 0, -1, dtype=theta.dtype, device=theta.device).expand_as(theta)
        dual = ops.isotonic_kl[theta.device.type](ordered, w.log())
        ranks = (ordered - dual).exp()
        starts = torch.nn.functional.pad(dual[:, 1:] != dual[:, :-1], (1, 0))
        block = starts.cumsum(dim=1)
        ctx.save_for_backward(ranks, ranks / _block_sums(w, block), block, permutation)
        return torch.empty_like(ranks).scatter_(1, permutation, ranks)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        ranks, share, block, permutation = ctx.saved_tensors
        scaled = gradient.gather(1, permutation) * ranks
        return torch.empty_like(scaled).scatter_(1, permutation, scaled - share * _block_sums(scaled, block))


def _block_sums(values: Tensor, block: Tensor) -> Tensor:
    """For each of the values [B, n] the sum over its block."""
    return torch.zeros_like(values).scatter_add_(1, block, values).gather(1, block)
