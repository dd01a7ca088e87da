"""SDC, similarity distribution calibration (Ng et al., BMVC 2023)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import cosine_similarity
from typing_extensions import override

from nsh_core.config import Config
from nsh_core.losses import feature_cosines, paired_cosines
from nsh_core.methods import recipes
from nsh_core.methods.base import LEARNING_RATE, MethodOptions, Range
from nsh_core.methods.batch_normed import BatchNormed, batch_normalized
from nsh_core.model import Outputs


class SDC(BatchNormed):
    """Cosines of batch-normalised outputs follow those of features by rank, but with a beta distribution.

    The pair at the i-th place of n by feature cosine is given the cosine 2 F^-1((i - 1/2) / n) - 1, F of Beta(b, b),
    but no less than 0: unlike pairs are to be orthogonal, not opposite.
    """

    paper = "Ng et al., Unsupervised Hashing with Similarity Distribution Calibration, BMVC 2023"

    class Options(MethodOptions):
        """Options of SDC."""

        beta: float = Field(2.0, gt=0, le=1e3, description="b, both parameters of the beta distribution")
        quantization_weight: float = Field(0.0, ge=0, le=1e3, description="of 1 - cosine between outputs and signs")

    def __init__(self, configs: Sequence[Config]) -> None:
        super().__init__(configs)
        self._betas = [config.method.settings.beta for config in configs]
        self._calibration: Tensor | None = None

    @classmethod
    @override
    def search_space(cls, config: Config) -> Mapping[str, Range]:
        return {
            "train.learning_rate": LEARNING_RATE,
            "method.options.beta": Range(0.5, 30.0),
            "method.options.quantization_weight": Range(1e-3, 1.0),
        }

    @classmethod
    @override
    def published(cls, code_length: int) -> Mapping[str, Any]:
        return recipes.sdc()

    @override
    def __call__(self, first: Outputs, second: Outputs, generators: Sequence[torch.Generator]) -> dict[str, Tensor]:
        outputs = batch_normalized(torch.cat([first.logits, second.logits], dim=-2))
        cosines = paired_cosines(outputs.chunk(2, dim=-2))
        if self._calibration is None:
            targets = np.stack([calibrated_cosines(cosines.shape[-1], beta) for beta in self._betas])
            self._calibration = torch.from_numpy(targets).to(cosines)
        order = feature_cosines(first, second).argsort(dim=-1, stable=True)
        calibration = (cosines.gather(-1, order) - self._calibration).abs().mean(dim=-1)
        quantization = (1 - cosine_similarity(outputs, outputs.sign(), dim=-1)).mean(dim=-1)
        loss = calibration + self.setting("quantization_weight", outputs).view(-1) * quantization
        return {"calibration": calibration, "quantization": quantization, "loss": loss}


def calibrated_cosines(count: int, beta: float) -> np.ndarray:
    """The cosines that pairs are given: quantiles of Beta(b, b) on [-1, 1], cut at 0.

    Args:
        count: How many pairs.
        beta: b.

    Returns:
        [count], ascending.
    """
    from scipy.special import betaincinv

    quantiles = betaincinv(beta, beta, (np.arange(count) + 0.5) / count)
    return np.maximum(2 * quantiles - 1, 0).astype(np.float32)
