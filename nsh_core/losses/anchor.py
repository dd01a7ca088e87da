"""The instance anchor: NT-Xent between two views (Chen et al., SimCLR, ICML 2020)."""

from __future__ import annotations

import torch
from torch import Tensor

from nsh_core.losses.products import products


def nt_xent(first: Tensor, second: Tensor, temperature: float | Tensor) -> Tensor:
    """NT-Xent of two views: each latent finds its other view among the 2n - 1 others.

    Args:
        first: Unit latents [..., n, d] of a view.
        second: Unit latents [..., n, d] of the other view.
        temperature: A number, or one for each leading index, [..., 1, 1].

    Returns:
        [...], means over the 2n latents.
    """
    latents = torch.cat([first, second], dim=-2)
    size = latents.shape[-2]
    logits = products(latents, latents) / temperature
    itself = torch.eye(size, dtype=torch.bool, device=latents.device)
    other = torch.arange(size, device=latents.device).roll(size // 2).expand(logits.shape[:-1])
    losses = torch.nn.functional.cross_entropy(
        logits.masked_fill(itself, float("-inf")).flatten(0, -2), other.flatten(), reduction="none"
    )
    return losses.view(other.shape).mean(dim=-1)
