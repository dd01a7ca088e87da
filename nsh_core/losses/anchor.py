"""The instance anchor: NT-Xent between two views (Chen et al., SimCLR, ICML 2020)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from typing_extensions import override

from nsh_core.losses.products import products


def nt_xent(first: Tensor, second: Tensor, temperature: float | Tensor) -> Tensor:
    """NT-Xent of two views: each latent finds its other view among the 2n - 1 others.

    Args:
        first: Unit latents [..., n, d] of a view.
        second: Unit latents [..., n, d] of the other view.
        temperature: A number, or one for each leading index, [..., 1, 1]; it is not learned.

    Returns:
        [...], means over the 2n latents.

    Raises:
        ValueError: The temperature asks for a gradient.
    """
    if isinstance(temperature, Tensor) and temperature.requires_grad:
        raise ValueError("'temperature' of nt_xent must not require a gradient: it has none")
    return _NTXent.apply(torch.cat([first, second], dim=-2), temperature)


class _NTXent(torch.autograd.Function):
    """The gradient is worked out with the loss: it is the softmax, which is at hand, and its matrix is symmetric."""

    @staticmethod
    @override
    def forward(ctx: Any, latents: Tensor, temperature: float | Tensor) -> Tensor:
        size = latents.shape[-2]
        logits = products(latents, latents).div_(temperature)
        logits.diagonal(dim1=-2, dim2=-1).fill_(float("-inf"))
        shares = logits.log_softmax(dim=-1)
        of_others = [shares.diagonal(offset, -2, -1) for offset in (size // 2, -size // 2)]
        loss = (of_others[0] + of_others[1]).sum(dim=-1) / -size
        if ctx.needs_input_grad[0]:
            by_logit = shares.exp_()
            for own in of_others:
                own.sub_(1)
            # A pair is a logit of either of its latents.
            by_pair = (by_logit + by_logit.mT).div_(temperature).div_(size)
            ctx.save_for_backward(products(by_pair, latents.mT))
        return loss

    @staticmethod
    @once_differentiable
    @override
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        [by_latents] = ctx.saved_tensors
        return by_latents * gradient[..., None, None], None
