"""Backbones of the optional extra .[vision]: torchvision's VGG-16, ResNet-50 and ViT-B/16, DINOv2 of transformers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.error import URLError

from torch import Tensor, nn
from typing_extensions import override

from nsh_core.backbones.base import Backbone
from nsh_core.errors import UserError
from nsh_core.packages import need

_WHOM = "this backbone"
_DINO = "facebook/dinov2-base"
T = TypeVar("T")


class VGG16(Backbone):
    """fc7 of VGG-16 after its ReLU, the features of the paper and of most of the field.

    Args:
        pretrained: Whether with the weights of ImageNet, else random ones.
        side: Of the images that it sees.

    Raises:
        UserError: A missing package, or weights that cannot be had.
    """

    dim = 4096

    def __init__(self, pretrained: bool, side: int) -> None:
        super().__init__(side)
        self.net = _torchvision("vgg16", pretrained)
        self.net.classifier = self.net.classifier[:5]

    @override
    def features(self, images: Tensor) -> Tensor:
        return self.net(images)


class ResNet50(Backbone):
    """The pooled output of ResNet-50.

    Args:
        pretrained: As for VGG16.
        side: As for VGG16.

    Raises:
        UserError: As VGG16.
    """

    dim = 2048

    def __init__(self, pretrained: bool, side: int) -> None:
        super().__init__(side)
        self.net = _torchvision("resnet50", pretrained)
        self.net.fc = nn.Identity()

    @override
    def features(self, images: Tensor) -> Tensor:
        return self.net(images)


class ViTB16(Backbone):
    """The class token of ViT-B/16, which wants a side of 224.

    Args:
        pretrained: As for VGG16.
        side: 224.

    Raises:
        UserError: As VGG16, or for another side.
    """

    dim = 768

    def __init__(self, pretrained: bool, side: int) -> None:
        super().__init__(side)
        if side != 224:
            raise UserError(f"image.size must be 224 for vit_b_16, got {side}")
        self.net = _torchvision("vit_b_16", pretrained)
        self.net.heads = nn.Identity()

    @override
    def features(self, images: Tensor) -> Tensor:
        return self.net(images)


class DINOv2(Backbone):
    """The class token of DINOv2-base, which wants a side that its patches of 14 pixels divide.

    Args:
        pretrained: Whether with the published weights, else random ones.
        side: A multiple of 14.

    Raises:
        UserError: As VGG16, or for another side.
    """

    dim = 768

    def __init__(self, pretrained: bool, side: int) -> None:
        super().__init__(side)
        if side % 14:
            raise UserError(f"image.size must be a multiple of 14 for dinov2, got {side}")
        transformers = need("transformers", _WHOM)
        if pretrained:
            self.net = _fetched("dinov2", lambda: transformers.AutoModel.from_pretrained(_DINO), _DINO)
        else:
            self.net = transformers.Dinov2Model(transformers.Dinov2Config())

    @override
    def features(self, images: Tensor) -> Tensor:
        return self.net(pixel_values=images).last_hidden_state[:, 0]


def _torchvision(name: str, pretrained: bool) -> Any:
    models = need("torchvision", _WHOM).models
    if not pretrained:
        return models.get_model(name, weights=None)
    weights = models.get_model_weights(name).IMAGENET1K_V1
    return _fetched(name, lambda: models.get_model(name, weights=weights), weights.url)


def _fetched(name: str, load: Callable[[], T], source: str) -> T:
    try:
        return load()
    except (URLError, OSError, RuntimeError) as error:
        line = " ".join(str(error).split())[:200]
        raise UserError(
            f"cannot get the weights of {name} ({line}): fetch {source} where there is a network, into the cache of "
            "torch.hub ($TORCH_HOME) or of Hugging Face ($HF_HOME); image.weights = random goes without"
        ) from None
