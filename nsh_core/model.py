"""Encoder and heads: items to hash codes and latent vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from nsh_core import methods
from nsh_core.config import Config
from nsh_core.straight_through import sign_through


@dataclass(frozen=True)
class Outputs:
    """Of n items: logits h [n, K], relaxed codes U = tanh(h) [n, K], codes B [n, K] in -1/+1, latents Z [n, d] of
    length 1 (empty for a method that has none), and the features [n, D] that the encoder saw, standardised.

    Of R models, each with its own items: [R, n, ...].
    """

    logits: Tensor
    relaxed: Tensor
    codes: Tensor
    latents: Tensor
    features: Tensor

    def halves(self) -> tuple[Outputs, Outputs]:
        """Of the first n / 2 items, and of the rest."""
        halves = [getattr(self, field.name).chunk(2, dim=-2) for field in fields(self)]
        return Outputs(*(half[0] for half in halves)), Outputs(*(half[1] for half in halves))


class HashModel(nn.Module):
    """Backbone for images, standardisation, encoder, hash head and latent head.

    dim: D of the features, which are the items themselves or what the backbone makes of them.
    encoder: "mlp" or "identity", what config.model.encoder resolves to.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: Config, dim: int, encoder: str, backbone: nn.Module | None = None) -> None:
        super().__init__()
        self.config = config
        self.dim = dim
        method = methods.method(config.method.name)
        self._activation = torch.cos if method.periodic else torch.tanh
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("deviation", torch.ones(dim))
        layers: list[nn.Module] = []
        width = dim
        if encoder == "mlp":
            for _ in range(config.model.depth):
                layers += [nn.Linear(width, config.model.width), nn.ReLU()]
                width = config.model.width
        self.encoder = nn.Sequential(*layers)
        self.hash_head = nn.Linear(width, config.code_length)
        self.uses_latents = method.uses_latents
        has_head = method.uses_latents and config.model.latent == "head"
        self.latent_head = nn.Linear(width, config.model.latent_dim) if has_head else None
        self.backbone = backbone

    def fit_standardization(self, mean: Tensor, variance: Tensor) -> None:
        """Sets mean and deviation from those of the training values, [D]; "center" divides by one deviation for all."""
        if self.config.model.standardize == "none":
            return
        self.mean.copy_(mean)
        if self.config.model.standardize == "zscore":
            self.deviation.copy_(torch.where(variance > 1e-10, variance.sqrt(), 1.0))
        else:
            self.deviation.fill_(variance.mean().sqrt().clamp(min=1e-10))

    def forward(self, items: Tensor) -> Outputs:
        """Outputs for items [n, D], or images [n, 3, H, W]."""
        outputs = forward_together([self], items[None])
        return Outputs(*(getattr(outputs, field.name)[0] for field in fields(outputs)))

    def logits(self, items: Tensor) -> Tensor:
        """What the hash head gives [n, K] for items [n, D], or images [n, 3, H, W]."""
        _, hidden = _encode([self], items[None])
        return _hash([self], hidden)[0]

    def codes(self, items: Tensor) -> Tensor:
        """Codes [n, K] in -1/+1 of items, the latents left out."""
        return sign_through(self.activate(self.logits(items)))

    def activate(self, logits: Tensor) -> Tensor:
        """Relaxed codes of logits: their tanh, or their cosine for a periodic method."""
        return self._activation(logits)

    def hidden_layers(self) -> list[nn.Linear]:
        """The linear layers of the encoder; a ReLU follows each."""
        return [layer for layer in self.encoder if isinstance(layer, nn.Linear)]


def forward_together(models: Sequence[HashModel], items: Tensor) -> Outputs:
    """Outputs [R, n, ...] of R models of one shape, each for its own items [R, n, ...]."""
    standard, hidden = _encode(models, items)
    logits = _hash(models, hidden)
    relaxed = models[0].activate(logits)
    latent_heads = [model.latent_head for model in models if model.latent_head is not None]
    latents = _linear(latent_heads, hidden) if latent_heads else standard
    latents = nn.functional.normalize(latents.float(), dim=2) if models[0].uses_latents else standard[..., :0]
    return Outputs(logits, relaxed, sign_through(relaxed), latents, standard)


def _encode(models: Sequence[HashModel], items: Tensor) -> tuple[Tensor, Tensor]:
    """Standardised and encoded items [R, n, ...]."""
    features = items
    if models[0].backbone is not None:
        features = torch.stack([model.backbone(own).float() for model, own in zip(models, items, strict=True)])  # type: ignore[misc]
    inverse = _stacked([1 / model.deviation for model in models])
    shift = _stacked([-model.mean for model in models]) * inverse
    standard = torch.addcmul(shift[:, None], features, inverse[:, None])
    hidden = standard
    for layers in zip(*(model.hidden_layers() for model in models), strict=True):
        hidden = _linear(layers, hidden).relu()
    return standard, hidden


def _hash(models: Sequence[HashModel], hidden: Tensor) -> Tensor:
    """Logits [R, n, K]."""
    return _linear([model.hash_head for model in models], hidden).float()


def _linear(layers: Sequence[nn.Linear], values: Tensor) -> Tensor:
    weight, bias = _stacked([layer.weight for layer in layers]), _stacked([layer.bias for layer in layers])
    return torch.baddbmm(bias[:, None], values, weight.mT)


def _stacked(tensors: Sequence[Tensor]) -> Tensor:
    return tensors[0][None] if len(tensors) == 1 else torch.stack(list(tensors))
