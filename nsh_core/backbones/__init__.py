"""Backbones for images by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import Tensor, nn

from nsh_core.backbones.base import Backbone
from nsh_core.backbones.pretrained import VGG16, DINOv2, ResNet50, ViTB16
from nsh_core.backbones.small_cnn import SmallCNN

if TYPE_CHECKING:
    from nsh_core.config import ImageConfig

__all__ = ["Backbone", "TrainedBackbone", "build_backbone", "trained_backbone"]

_PRETRAINED: dict[str, Callable[[bool, int], Backbone]] = {
    "vgg16": VGG16,
    "resnet50": ResNet50,
    "vit_b_16": ViTB16,
    "dinov2": DINOv2,
}


def build_backbone(config: ImageConfig) -> Backbone:
    """The backbone of a config. Raises UserError for a missing package, weights that cannot be had, a wrong size."""
    if config.backbone == "small_cnn":
        return SmallCNN()
    return _PRETRAINED[config.backbone](config.weights == "pretrained", config.size)


class TrainedBackbone(nn.Module):
    """A backbone in training, its features normalised over the batch, which keeps them in bounds as they change."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.dim = backbone.dim
        self.backbone = backbone
        self.normalized = nn.BatchNorm1d(backbone.dim, affine=False)

    def forward(self, images: Tensor) -> Tensor:
        """Features [n, dim] of images [n, 3, H, W] in [0, 1]."""
        return self.normalized(self.backbone(images))


def trained_backbone(config: ImageConfig) -> TrainedBackbone:
    """The backbone of a config, to be trained."""
    return TrainedBackbone(build_backbone(config))
