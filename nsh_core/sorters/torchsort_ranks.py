"""Soft ranks by projection onto the permutahedron (Blondel, Teboul, Berthet & Djolonga, ICML 2020)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nsh_core.errors import UserError
from nsh_core.sorters.base import Sorter, check_rows, one_of, positive

try:
    import torchsort
    from torchsort import ops
except ImportError:
    torchsort = None


class TorchSort(Sorter):
    """torchsort's soft ranks r, made a soft permutation by a kernel on rank distance.

    Row j is a softmax over items i of -|r_i - j| / (bandwidth * temperature), ranks j from 1.

    regularization: "l2" (quadratic) or "kl" (entropic).
    temperature: the key difference, in bits, that unconstrained soft ranks ("l2") or their logarithms ("kl")
        spread over all n ranks; torchsort's regularization_strength is temperature / n, or / log n.
    bandwidth: width of the kernel in ranks at a temperature of 1.
    """

    default_temperature = 1.0
    search_range = (0.1, 20.0)

    def __init__(
        self, temperature: float | None = None, regularization: str = "l2", bandwidth: float = 1.0
    ) -> None:
        super().__init__(temperature)
        self.regularization = one_of("regularization", regularization, ("l2", "kl"))
        self.bandwidth = positive("bandwidth", bandwidth)
        if torchsort is None:
            raise UserError("sorter torchsort is not installed: build it with scripts/torchsort.sh")

    def soft_ranks(self, keys: Tensor) -> Tensor:
        """Soft ranks [B, n] of keys [B, n]; the largest key is near rank 1."""
        n = keys.shape[1]
        strength = self.temperature / (n if self.regularization == "l2" else math.log(max(n, 2)))
        built_for_cuda = ops.isotonic_l2_cuda.__name__ != "_error"
        where = keys if built_for_cuda else keys.cpu()
        return torchsort.soft_rank(-where, self.regularization, strength).to(keys.device)

    def permutation(self, keys: Tensor) -> Tensor:
        check_rows(keys)
        ranks = self.soft_ranks(keys)
        places = torch.arange(1, keys.shape[1] + 1, device=keys.device, dtype=keys.dtype)
        distance = (ranks[:, None, :] - places[None, :, None]).abs()
        return (-distance / (self.bandwidth * self.temperature)).softmax(dim=2)
