"""GreedyHash, unsupervised (Su et al., NeurIPS 2018)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import override

from nsh_core.config import Config
from nsh_core.losses import feature_cosines, paired_cosines
from nsh_core.methods import recipes
from nsh_core.methods.base import LEARNING_RATE, DeepMethod, MethodOptions, Range
from nsh_core.model import Outputs
from nsh_core.straight_through import sign_through


class GreedyHash(DeepMethod):
    """Codes sign(h), the gradient passed straight to h, keep the cosines of features; |h| is drawn towards 1."""

    paper = "Su et al., Greedy Hash: Towards Fast Optimization for Accurate Hash Coding in CNN, NeurIPS 2018"

    class Options(MethodOptions):
        """Options of GreedyHash."""

        quantization_weight: float = Field(0.1, ge=0, le=1e3, description="alpha, weight of | |h| - 1 |^3")

    @classmethod
    @override
    def search_space(cls, config: Config) -> Mapping[str, Range]:
        return {"train.learning_rate": LEARNING_RATE, "method.options.quantization_weight": Range(1e-3, 1.0)}

    @classmethod
    @override
    def published(cls, code_length: int) -> Mapping[str, Any]:
        return recipes.greedyhash(code_length)

    @override
    def __call__(self, first: Outputs, second: Outputs, generators: Sequence[torch.Generator]) -> dict[str, Tensor]:
        codes = sign_through(first.logits), sign_through(second.logits)
        similarity = (paired_cosines(codes) - feature_cosines(first, second)).square().mean(dim=-1)
        logits = torch.cat([first.logits, second.logits], dim=-2)
        quantization = (logits.abs() - 1).abs().pow(3).mean(dim=(-2, -1))
        loss = similarity + self.setting("quantization_weight", logits).view(-1) * quantization
        return {"similarity": similarity, "quantization": quantization, "loss": loss}
