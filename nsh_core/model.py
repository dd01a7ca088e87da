"""Encoder and heads: items to hash codes and latent vectors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nsh_core.config import ModelConfig


@dataclass(frozen=True)
class Outputs:
    """Of n items: relaxed codes U = tanh(h) [n, K], codes B [n, K] in -1/+1, latents Z [n, d] of length 1."""

    relaxed: Tensor
    codes: Tensor
    latents: Tensor

    def halves(self) -> tuple[Outputs, Outputs]:
        """Of the first n / 2 items, and of the rest."""
        relaxed, codes, latents = (tensor.chunk(2) for tensor in (self.relaxed, self.codes, self.latents))
        return Outputs(relaxed[0], codes[0], latents[0]), Outputs(relaxed[1], codes[1], latents[1])


def sign_through_tanh(relaxed: Tensor) -> Tensor:
    """Sign of the relaxed codes, exactly -1 or +1 (at 0), with the gradient of the relaxed codes (straight-through)."""
    hard = torch.where(relaxed >= 0, 1.0, -1.0).to(relaxed.dtype)
    return hard + (relaxed - relaxed.detach())


def moments(values: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and variance [D] of chunks of values [rows, D], summed in double precision."""
    count, total, squares = 0, torch.zeros(()), torch.zeros(())
    for chunk in values:
        double = chunk.double()
        count += len(chunk)
        total = total + double.sum(dim=0)
        squares = squares + double.square().sum(dim=0)
    mean = total / count
    return mean, (squares / count - mean.square()).clamp(min=0)


class HashModel(nn.Module):
    """Standardisation, encoder, hash head and latent head.

    dim: D of the items. code_length: K. encoder: "mlp" or "identity", what config.encoder resolves to.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: ModelConfig, dim: int, code_length: int, encoder: str) -> None:
        super().__init__()
        self._config = config
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("deviation", torch.ones(dim))
        layers: list[nn.Module] = []
        width = dim
        if encoder == "mlp":
            for _ in range(config.depth):
                layers += [nn.Linear(width, config.width), nn.ReLU()]
                width = config.width
        self.encoder = nn.Sequential(*layers)
        self.hash_head = nn.Linear(width, code_length)
        self.latent_head = nn.Linear(width, config.latent_dim) if config.latent == "head" else None

    def fit_standardization(self, values: Iterable[Tensor]) -> None:
        """Fits mean and deviation to training values [rows, D]; "center" divides by one deviation for all."""
        if self._config.standardize == "none":
            return
        mean, variance = moments(values)
        self.mean.copy_(mean)
        if self._config.standardize == "zscore":
            self.deviation.copy_(torch.where(variance > 1e-10, variance.sqrt(), 1.0))
        else:
            self.deviation.fill_(variance.mean().sqrt().clamp(min=1e-10))

    def forward(self, items: Tensor) -> Outputs:
        """Outputs for items [n, D]."""
        standard = (items - self.mean) / self.deviation
        hidden = self.encoder(standard)
        relaxed = self.hash_head(hidden).float().tanh()
        latents = standard if self.latent_head is None else self.latent_head(hidden)
        return Outputs(relaxed, sign_through_tanh(relaxed), nn.functional.normalize(latents.float(), dim=1))
