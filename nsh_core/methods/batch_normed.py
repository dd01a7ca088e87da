"""Methods whose bits are batch-normalised outputs of the hash head."""

from __future__ import annotations

import torch
from torch import Tensor
from typing_extensions import override

from nsh_core.data import Dataset
from nsh_core.methods.base import DeepMethod
from nsh_core.model import HashModel


class BatchNormed(DeepMethod):
    """A method whose loss sees batch-normalised outputs: before an evaluation its bits are centred accordingly."""

    @classmethod
    @override
    @torch.no_grad()
    def calibrate(cls, model: HashModel, dataset: Dataset) -> None:
        """Puts the mean output over all training values to 0, as batch normalisation does in a batch."""
        total, count = torch.zeros(model.config.code_length, dtype=torch.float64), 0
        for values in dataset.training_values():
            logits = model.logits(values.to(model.mean.device))
            total, count = total + logits.double().sum(dim=0).cpu(), count + len(logits)
        bias = model.hash_output.bias
        bias.sub_((total / count).to(bias))


def batch_normalized(values: Tensor) -> Tensor:
    """Values [..., n, K] with mean 0 and variance 1 over the batch."""
    centred = values - values.mean(dim=-2, keepdim=True)
    return centred / (centred.square().mean(dim=-2, keepdim=True) + 1e-5).sqrt()
