"""CIBHash (Qiu et al., IJCAI 2021)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import override

from nsh_core.config import Config
from nsh_core.losses import nt_xent
from nsh_core.methods import recipes
from nsh_core.methods.base import LEARNING_RATE, DeepMethod, MethodOptions, Range
from nsh_core.model import Outputs
from nsh_core.straight_through import sign_through
from nsh_core.unit import unit

_EPSILON = 1e-8


class CIBHash(DeepMethod):
    """NT-Xent on the codes of two views, and a bottleneck: the divergence between their bits' probabilities.

    Bit probabilities p = sigmoid(h), codes sign(p - 1/2) with the gradient of p. As in the authors' code the other
    view's probabilities are held fixed in the divergence.
    """

    paper = "Qiu et al., Unsupervised Hashing with Contrastive Information Bottleneck, IJCAI 2021"

    class Options(MethodOptions):
        """Options of CIBHash."""

        temperature: float = Field(0.3, ge=1e-3, le=100, description="of NT-Xent on the cosine of codes")
        kl_weight: float = Field(0.001, ge=0, le=1e3, description="beta, weight of the divergence")

    @classmethod
    @override
    def search_space(cls, config: Config) -> Mapping[str, Range]:
        return {
            "train.learning_rate": LEARNING_RATE,
            "method.options.temperature": Range(0.1, 1.0),
            "method.options.kl_weight": Range(1e-5, 1e-2),
        }

    @classmethod
    @override
    def published(cls, code_length: int) -> Mapping[str, Any]:
        return recipes.contrastive(code_length)

    @override
    def __call__(self, first: Outputs, second: Outputs, generators: Sequence[torch.Generator]) -> dict[str, Tensor]:
        p, q = first.logits.sigmoid(), second.logits.sigmoid()
        one, other = (unit(sign_through(chance - 0.5)) for chance in (p, q))
        contrast = nt_xent(one, other, self.setting("temperature", p))
        bottleneck = (_divergence(p, q.detach()) + _divergence(q, p.detach())) / 2
        loss = contrast + self.setting("kl_weight", p).view(-1) * bottleneck
        return {"contrast": contrast, "bottleneck": bottleneck, "loss": loss}


def _divergence(p: Tensor, q: Tensor) -> Tensor:
    """KL divergence [R] of Bernoulli probabilities [R, n, K], summed over bits, mean over items."""
    ones = p * ((p + _EPSILON).log() - (q + _EPSILON).log())
    zeros = (1 - p) * ((1 - p + _EPSILON).log() - (1 - q + _EPSILON).log())
    return (ones + zeros).sum(dim=-1).mean(dim=-1)
