"""CroVCA, cross-view code alignment (Moummad et al. 2025)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from typing_extensions import override

from nsh_core.config import Config
from nsh_core.losses import coding_rate
from nsh_core.methods import recipes
from nsh_core.methods.base import LEARNING_RATE, MethodOptions, Range
from nsh_core.methods.batch_normed import BatchNormed, batch_normalized
from nsh_core.model import Outputs


class CroVCA(BatchNormed):
    """Binary cross entropy of each view's outputs to the other view's bits, and the coding rate of either view.

    Outputs are batch-normalised view by view, bits are where they are positive and carry no gradient.
    """

    paper = "Moummad et al., Image Hashing via Cross-View Code Alignment in the Age of Foundation Models, 2025"

    class Options(MethodOptions):
        """Options of CroVCA."""

        rate_weight: float = Field(0.1, ge=0, le=1e3, description="of the coding rate")
        epsilon: float = Field(0.05, gt=0, le=1e3, description="distortion of the coding rate")

    @classmethod
    @override
    def search_space(cls, config: Config) -> Mapping[str, Range]:
        return {
            "train.learning_rate": LEARNING_RATE,
            "method.options.rate_weight": Range(0.01, 1.0),
            "method.options.epsilon": Range(0.005, 0.5),
        }

    @classmethod
    @override
    def published(cls, code_length: int) -> Mapping[str, Any]:
        return recipes.crovca()

    @override
    def __call__(self, first: Outputs, second: Outputs, generators: Sequence[torch.Generator]) -> dict[str, Tensor]:
        one, other = batch_normalized(first.logits), batch_normalized(second.logits)
        alignment = (_to_bits_of(one, other) + _to_bits_of(other, one)) / 2
        epsilon = self.setting("epsilon", one).view(-1)
        rate = (coding_rate(one, epsilon) + coding_rate(other, epsilon)) / 2
        loss = alignment - self.setting("rate_weight", one).view(-1) * rate
        return {"alignment": alignment, "coding_rate": rate, "loss": loss}


def _to_bits_of(outputs: Tensor, other: Tensor) -> Tensor:
    """Cross entropy [R], mean over items and bits, of outputs [R, n, K] as logits of the bits of others."""
    bits = (other > 0).to(outputs.dtype)
    return binary_cross_entropy_with_logits(outputs, bits, reduction="none").mean(dim=(-2, -1))
