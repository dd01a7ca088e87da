"""A small convolutional network, to be trained from scratch."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from typing_extensions import override

from nsh_core.backbones.base import Backbone

_WIDTHS = (32, 64, 128)


class SmallCNN(Backbone):
    """Three blocks of convolution, batch normalisation and ReLU, each halving the side, then the mean over places.

    A pixel's channels lie together, as CPUs like it, and the largest of four is taken before ReLU, which lets it pass
    alike: the same function, sooner.

    Args:
        pretrained: Not looked at: there are no such weights.
        side: Not looked at: images are taken as they are.
    """

    dim = _WIDTHS[-1]
    from_scratch = True
    smallest = 2 ** len(_WIDTHS)  # each layer halves the side

    def __init__(self, pretrained: bool = False, side: int | None = None) -> None:
        super().__init__(side=None)
        layers: list[nn.Module] = []
        before = 3
        for width in _WIDTHS:
            layers += [
                nn.Conv2d(before, width, 3, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.MaxPool2d(2),
                nn.ReLU(),
            ]
            before = width
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())

    @override
    def features(self, images: Tensor) -> Tensor:
        return self.layers(images.contiguous(memory_format=torch.channels_last))
