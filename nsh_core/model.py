"""Encoder and heads: items to hash codes and latent vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from nsh_core.config import Config
from nsh_core.registry import METHODS
from nsh_core.sections import ModelConfig
from nsh_core.stacked import stacked
from nsh_core.straight_through import sign_through
from nsh_core.unit import unit


@dataclass(frozen=True)
class Outputs:
    """What a model makes of n items; of R models, each with its own items, every tensor is [R, n, ...].

    Attributes:
        logits: h [n, K], what the hash head gives; of nested codes all bits of the model.
        relaxed: U = tanh(h) [n, K], in (-1, 1); cos(h) for a periodic method.
        codes: B [n, K] in -1/+1, with the gradient of U.
        latents: Z [n, d] of length 1; [n, 0] for a method that has none.
        features: [n, D] that the encoder saw, standardised; [n, 0] for a method that does not look at them.
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

    Args:
        config: Of the run.
        dim: D of the features, which are the items themselves or what the backbone makes of them.
        encoder: "mlp" or "identity", what config.model.encoder resolves to.
        backbone: For images.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: Config, dim: int, encoder: str, backbone: nn.Module | None = None) -> None:
        super().__init__()
        self.config = config
        self.dim = dim
        method = METHODS[config.method.name]
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
        self.hash_head = _hash_head(config.model, width, config.model_bits)
        self.uses_latents, self.uses_features = method.uses_latents, method.uses_features
        has_head = method.uses_latents and config.model.latent == "head"
        self.latent_head = nn.Linear(width, config.model.latent_dim) if has_head else None
        self.backbone = backbone

    @property
    def hash_output(self) -> nn.Linear:
        """The layer that gives h, the last of the hash head."""
        layer = self.hash_head if isinstance(self.hash_head, nn.Linear) else self.hash_head[-1]
        assert isinstance(layer, nn.Linear)
        return layer

    def fit_standardization(self, mean: Tensor, variance: Tensor) -> None:
        """Sets mean and deviation; "center" divides by one deviation for all.

        Args:
            mean: [D] of the training values.
            variance: [D] of the training values.
        """
        if self.config.model.standardize == "none":
            return
        self.mean.copy_(mean)
        if self.config.model.standardize == "zscore":
            self.deviation.copy_(torch.where(variance > 1e-10, variance.sqrt(), 1.0))
        else:
            self.deviation.fill_(variance.mean().sqrt().clamp(min=1e-10))

    def forward(self, items: Tensor) -> Outputs:
        """Outputs for items [n, D], or images [n, 3, H, W]."""
        outputs = forward_together([self], [items])
        return Outputs(*(getattr(outputs, field.name)[0] for field in fields(outputs)))

    def standardized(self, items: Tensor) -> Tensor:
        """Features [n, D] of items, standardised."""
        features = items if self.backbone is None else self.backbone(items).float()
        inverse = 1 / self.deviation
        return torch.addcmul(-self.mean * inverse, features, inverse)

    def logits(self, items: Tensor) -> Tensor:
        """What the hash head gives [n, T] for items [n, D], or images [n, 3, H, W]; T is config.model_bits."""
        return self.hash_head(self.encoder(self.standardized(items))).float()

    def codes(self, items: Tensor) -> Tensor:
        """Codes [n, K] in -1/+1 of items, the latents left out; of nested codes the first K bits."""
        return sign_through(self.activate(self.logits(items)[:, : self.config.code_length]))

    def activate(self, logits: Tensor) -> Tensor:
        """Relaxed codes of logits: their tanh, or their cosine for a periodic method."""
        return self._activation(logits)


def _hash_head(config: ModelConfig, width: int, bits: int) -> nn.Linear | nn.Sequential:
    if config.hash_head == "linear":
        return nn.Linear(width, bits)
    norm = [nn.BatchNorm1d(config.hash_width)] if config.hash_norm == "batch" else []
    return nn.Sequential(nn.Linear(width, config.hash_width), *norm, nn.ReLU(), nn.Linear(config.hash_width, bits))


def forward_together(models: Sequence[HashModel], items: Sequence[Tensor]) -> Outputs:
    """Outputs [R, n, ...] of R models of one shape, each for its own items.

    Every model runs its own modules, so that what it gives is what it gives alone; what has no weights runs on all of
    them at once.

    Args:
        models: Of one configuration of shapes.
        items: Of each model [n, D], or images [n, 3, H, W].
    """
    features = [model.standardized(own) for model, own in zip(models, items, strict=True)]
    hidden = [model.encoder(own) for model, own in zip(models, features, strict=True)]
    logits = stacked([model.hash_head(own).float() for model, own in zip(models, hidden, strict=True)])
    standard = stacked(features) if models[0].uses_features else logits[..., :0]
    if not models[0].uses_latents:
        latents = logits[..., :0]
    elif models[0].latent_head is None:
        latents = unit(stacked(features).float())
    else:
        heads = [model.latent_head for model in models if model.latent_head is not None]
        latents = unit(stacked([head(own).float() for head, own in zip(heads, hidden, strict=True)]))
    relaxed = models[0].activate(logits)
    return Outputs(logits, relaxed, sign_through(relaxed), latents, standard)
