"""A backbone in training: which of its stages are, and how its features stay in bounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from typing import Self

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from typing_extensions import override

from nsh_core.backbones.base import Backbone
from nsh_core.errors import UserError


class TrainedBackbone(nn.Module):
    """A backbone in training, its features normalised over the batch, which keeps them in bounds as they change.

    Stages that are not trained stay as they are in evaluation.

    Args:
        backbone: Whose features.
        keep_statistics: Whether batch normalisation goes on with the statistics that came with the weights, which
            steps as few as those of fine-tuning do not bring to those of other images.
        stages: How many of its stages are trained, from the last one; none: all.
        checkpointing: Whether activations within its blocks are computed again in the backward pass.

    Raises:
        UserError: It has not so many stages, or knows no checkpointing.
    """

    def __init__(
        self,
        backbone: Backbone,
        keep_statistics: bool = False,
        stages: int | None = None,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        if (stages or checkpointing) and not isinstance(backbone, Backbone):
            raise UserError(
                f"image.trained_stages and image.checkpointing want a nsh_core.backbones.Backbone, and "
                f"{type(backbone).__name__} is none"
            )
        if stages is not None:
            parts = backbone.stages()
            if stages > len(parts):
                raise UserError(f"image.trained_stages must be at most {len(parts)} for this backbone, got {stages}")
            for parameter in chain.from_iterable(parts[: len(parts) - stages]):
                parameter.requires_grad_(False)
        if checkpointing:
            backbone.checkpoint_activations()
        self.dim = backbone.dim
        self.backbone = backbone
        self._keep_statistics = keep_statistics
        self.normalized = nn.BatchNorm1d(backbone.dim, affine=False)
        self._momenta = {
            name: module.momentum
            for name, module in backbone.named_modules()
            if checkpointing and isinstance(module, _BatchNorm)
        }

    def forward(self, images: Tensor) -> Tensor:
        """Features [n, dim] of images [n, 3, H, W] in [0, 1]."""
        with self._counted():
            features = self.backbone(images)
        return self.normalized(features)

    @override
    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        for module in self.backbone.modules():
            own = list(module.parameters())
            frozen = bool(own) and not any(parameter.requires_grad for parameter in own)
            if frozen or (self._keep_statistics and isinstance(module, _BatchNorm)):
                module.eval()
        return self

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """Statistics of batch normalisation move within the block alone: checkpointing normalises a second time."""
        self._set_momenta(self._momenta)
        yield
        self._set_momenta(dict.fromkeys(self._momenta, 0.0))

    def _set_momenta(self, momenta: Mapping[str, float | None]) -> None:
        for name, momentum in momenta.items():
            norm = self.backbone.get_submodule(name)
            assert isinstance(norm, _BatchNorm)
            norm.momentum = momentum
