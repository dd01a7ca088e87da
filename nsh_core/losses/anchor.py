"""The instance anchor: NT-Xent between two views (Chen et al., SimCLR, ICML 2020)."""

from __future__ import annotations

import torch
from torch import Tensor


def nt_xent(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """NT-Xent of unit latents [n, d] of two views: each finds its other view among the 2n - 1 others."""
    latents = torch.cat([first, second])
    logits = latents @ latents.T / temperature
    itself = torch.eye(len(latents), dtype=torch.bool, device=latents.device)
    other = torch.arange(len(latents), device=latents.device).roll(len(first))
    return torch.nn.functional.cross_entropy(logits.masked_fill(itself, float("-inf")), other)
