"""Backbones for images by name."""

from __future__ import annotations

from torch import Tensor, nn

from nsh_core.backbones.base import Backbone
from nsh_core.backbones.efficientnet_lite import EfficientNetLite0, EfficientNetLite2
from nsh_core.backbones.pretrained import VGG16, DINOv2, ResNet50, ViTB16
from nsh_core.backbones.small_cnn import SmallCNN
from nsh_core.registry import BACKBONES
from nsh_core.sections import ImageConfig

__all__ = ["Backbone", "TrainedBackbone", "build_backbone", "register", "trained_backbone"]

register = BACKBONES.register

register("small_cnn", SmallCNN)
register("efficientnet_lite0", EfficientNetLite0)
register("efficientnet_lite2", EfficientNetLite2)
register("vgg16", VGG16)
register("resnet50", ResNet50)
register("vit_b_16", ViTB16)
register("dinov2", DINOv2)


def build_backbone(config: ImageConfig) -> Backbone:
    """The backbone of a config.

    Args:
        config: Section `image` of a config.

    Raises:
        UserError: A missing package, weights that cannot be had, or a size that does not fit.
    """
    return BACKBONES[config.backbone](config.weights == "pretrained", config.size)


class TrainedBackbone(nn.Module):
    """A backbone in training, its features normalised over the batch, which keeps them in bounds as they change.

    Args:
        backbone: Whose features.
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.dim = backbone.dim
        self.backbone = backbone
        self.normalized = nn.BatchNorm1d(backbone.dim, affine=False)

    def forward(self, images: Tensor) -> Tensor:
        """Features [n, dim] of images [n, 3, H, W] in [0, 1]."""
        return self.normalized(self.backbone(images))


def trained_backbone(config: ImageConfig) -> TrainedBackbone:
    """The backbone of a config, to be trained.

    Args:
        config: Section `image` of a config.

    Raises:
        UserError: As build_backbone.
    """
    return TrainedBackbone(build_backbone(config))
