"""Codes and latents as a step of training has them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nsh_core.losses import agreeing_bits

_LATENT_DIM = 128


@dataclass(frozen=True)
class Batch:
    """Codes and latents of two views of n items, ten clusters, as in a batch of training.

    Attributes:
        codes: Of each view, [n, K] in -1/+1.
        latents: Of each view, [n, 128] of length 1.
    """

    codes: tuple[Tensor, Tensor]
    latents: tuple[Tensor, Tensor]

    @classmethod
    def make(cls, n: int, bits: int, device: torch.device, dtype: torch.dtype = torch.float32) -> Batch:
        """A batch, drawn by a seed of its own for each n.

        Args:
            n: Items.
            bits: K.
            device: Where it lies.
            dtype: Of all values.
        """
        generator = torch.Generator().manual_seed(n)
        centre = torch.randn(10, bits, generator=generator)[torch.randint(10, (n,), generator=generator)]
        noise = torch.randn(2, n, bits, generator=generator)
        vectors = torch.randn(2, n, _LATENT_DIM, generator=generator)
        codes = tuple((centre + view).sign().to(device, dtype).requires_grad_() for view in noise)
        latents = tuple(
            torch.nn.functional.normalize(view, dim=1).to(device, dtype).requires_grad_() for view in vectors
        )
        return cls((codes[0], codes[1]), (latents[0], latents[1]))

    def keys_and_payload(self) -> tuple[Tensor, Tensor]:
        """Agreeing bits and latent similarities, both [n, n], with a gradient that ends there."""
        keys = agreeing_bits(*self.codes).detach().requires_grad_()
        return keys, (self.latents[0] @ self.latents[1].T).detach().requires_grad_()
