"""Encoder and heads: items to hash codes and latent vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nsh_core.config import ModelConfig


@dataclass(frozen=True)
class Outputs:
    """Of n items: relaxed codes U = tanh(h) [n, K], codes B [n, K] in -1/+1, latents Z [n, d] of length 1.

    Of R models, each with its own items: [R, n, ...].
    """

    relaxed: Tensor
    codes: Tensor
    latents: Tensor

    def halves(self) -> tuple[Outputs, Outputs]:
        """Of the first n / 2 items, and of the rest."""
        relaxed, codes, latents = (tensor.chunk(2, dim=-2) for tensor in (self.relaxed, self.codes, self.latents))
        return Outputs(relaxed[0], codes[0], latents[0]), Outputs(relaxed[1], codes[1], latents[1])


def sign_through_tanh(relaxed: Tensor) -> Tensor:
    """Sign of the relaxed codes, exactly -1 or +1 (at 0), with the gradient of the relaxed codes (straight-through)."""
    hard = torch.where(relaxed >= 0, 1.0, -1.0).to(relaxed.dtype)
    return hard + (relaxed - relaxed.detach())


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

    def fit_standardization(self, mean: Tensor, variance: Tensor) -> None:
        """Sets mean and deviation from those of the training values, [D]; "center" divides by one deviation for all."""
        if self._config.standardize == "none":
            return
        self.mean.copy_(mean)
        if self._config.standardize == "zscore":
            self.deviation.copy_(torch.where(variance > 1e-10, variance.sqrt(), 1.0))
        else:
            self.deviation.fill_(variance.mean().sqrt().clamp(min=1e-10))

    def forward(self, items: Tensor) -> Outputs:
        """Outputs for items [n, D]."""
        outputs = forward_together([self], items[None])
        return Outputs(outputs.relaxed[0], outputs.codes[0], outputs.latents[0])

    def codes(self, items: Tensor) -> Tensor:
        """Codes [n, K] in -1/+1 of items [n, D], the latents left out."""
        _, hidden = _encode([self], items[None])
        return sign_through_tanh(_relax([self], hidden))[0]

    def hidden_layers(self) -> list[nn.Linear]:
        """The linear layers of the encoder; a ReLU follows each."""
        return [layer for layer in self.encoder if isinstance(layer, nn.Linear)]


def forward_together(models: Sequence[HashModel], items: Tensor) -> Outputs:
    """Outputs [R, n, ...] of R models of one shape, each for its own items [R, n, D]."""
    standard, hidden = _encode(models, items)
    relaxed = _relax(models, hidden)
    latent_heads = [model.latent_head for model in models if model.latent_head is not None]
    latents = _linear(latent_heads, hidden) if latent_heads else standard
    return Outputs(relaxed, sign_through_tanh(relaxed), nn.functional.normalize(latents.float(), dim=2))


def _encode(models: Sequence[HashModel], items: Tensor) -> tuple[Tensor, Tensor]:
    """Standardised and encoded items [R, n, ...]."""
    standard = (items - _stacked([m.mean for m in models])[:, None]) / _stacked([m.deviation for m in models])[:, None]
    hidden = standard
    for layers in zip(*(model.hidden_layers() for model in models), strict=True):
        hidden = _linear(layers, hidden).relu()
    return standard, hidden


def _relax(models: Sequence[HashModel], hidden: Tensor) -> Tensor:
    """Relaxed codes [R, n, K]."""
    return _linear([model.hash_head for model in models], hidden).float().tanh()


def _linear(layers: Sequence[nn.Linear], values: Tensor) -> Tensor:
    weight, bias = _stacked([layer.weight for layer in layers]), _stacked([layer.bias for layer in layers])
    return torch.baddbmm(bias[:, None], values, weight.mT)


def _stacked(tensors: Sequence[Tensor]) -> Tensor:
    return tensors[0][None] if len(tensors) == 1 else torch.stack(list(tensors))
