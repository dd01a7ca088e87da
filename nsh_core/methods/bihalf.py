"""Bi-half Net (Li & van Gemert, AAAI 2021)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from pydantic import Field
from torch import Tensor
from torch.autograd.function import once_differentiable
from typing_extensions import override

from nsh_core.config import Config
from nsh_core.losses import feature_cosines, paired_cosines
from nsh_core.methods import recipes
from nsh_core.methods.base import LEARNING_RATE, DeepMethod, MethodOptions, Range
from nsh_core.model import Outputs


class BiHalf(DeepMethod):
    """Codes keep the cosines of features, with bits that are half +1 and half -1 in every batch.

    The bi-half layer is the optimal transport of a bit's values to that distribution: the larger half becomes +1.
    """

    paper = "Li & van Gemert, Deep Unsupervised Image Hashing by Maximizing Bit Entropy, AAAI 2021"

    class Options(MethodOptions):
        """Options of Bi-half Net."""

        gamma: float = Field(6.0, ge=0, le=1e4, description="pull of the layer's input towards its codes")

    @classmethod
    @override
    def search_space(cls, config: Config) -> Mapping[str, Range]:
        return {"train.learning_rate": LEARNING_RATE, "method.options.gamma": Range(0.1, 100.0)}

    @classmethod
    @override
    def published(cls, code_length: int) -> Mapping[str, Any]:
        return recipes.bihalf()

    @override
    def __call__(self, first: Outputs, second: Outputs, generators: Sequence[torch.Generator]) -> dict[str, Tensor]:
        logits = torch.cat([first.logits, second.logits], dim=-2)
        codes = bi_half(logits, self.setting("gamma", logits)).chunk(2, dim=-2)
        similarity = (paired_cosines(codes) - feature_cosines(first, second)).square().mean(dim=-1)
        return {"similarity": similarity, "loss": similarity}


def bi_half(logits: Tensor, gamma: Tensor) -> Tensor:
    """Codes with bits that are half +1 and half -1.

    Args:
        logits: [R, n, K].
        gamma: [R, 1, 1]; the gradient of the logits is that of the codes plus gamma (logits - codes) / (n K) (eq. 8).

    Returns:
        Codes [R, n, K]: for each bit +1 for the n // 2 largest, -1 for the rest (eq. 6).
    """
    return _BiHalf.apply(logits, gamma)


class _BiHalf(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, gamma: Tensor) -> Tensor:
        largest = logits.argsort(dim=-2, descending=True, stable=True)[..., : logits.shape[-2] // 2, :]
        codes = torch.full_like(logits, -1).scatter_(-2, largest, 1.0)
        ctx.save_for_backward(logits, codes, gamma)
        return codes

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        logits, codes, gamma = ctx.saved_tensors
        return gradient + gamma * (logits - codes) / codes[0].numel(), None
