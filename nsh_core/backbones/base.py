"""What every backbone is."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from nsh_core.errors import UserError


class Backbone(nn.Module):
    """Images [n, 3, H, W] in [0, 1] to features [n, dim].

    The registry calls a backbone with whether weights are to be the pre-trained ones, and image.size; one of a family
    (timm:NAME) with NAME, image.weights and image.size.

    Attributes:
        dim: D, values of an item's features.
        means: Of the channels, which inputs are normalised by; ImageNet's where a backbone has no others.
        deviations: Of the channels.
        from_scratch: Whether it has no weights of its own and sees images as they are: it is always trained.
        smallest: Side of the smallest images that it sees, in pixels.

    Args:
        side: What images are scaled to first, none for as they are.
    """

    dim: int
    means: tuple[float, float, float] = (0.485, 0.456, 0.406)
    deviations: tuple[float, float, float] = (0.229, 0.224, 0.225)
    from_scratch: ClassVar[bool] = False
    smallest: ClassVar[int] = 1
    mean: Tensor
    deviation: Tensor

    def __init__(self, side: int | None) -> None:
        super().__init__()
        self.side = side
        self.register_buffer("mean", torch.tensor(self.means).view(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(self.deviations).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Features [n, dim] in float32 of images [n, 3, H, W] in [0, 1].

        Raises:
            UserError: The images are too small.
        """
        if self.side is not None and images.shape[-1] != self.side:
            size = (self.side, self.side)
            images = interpolate(images, size, mode="bicubic", align_corners=False, antialias=True).clamp(0, 1)
        height, width = images.shape[-2:]
        if min(height, width) < self.smallest:
            least = f"{self.smallest} x {self.smallest}"
            raise UserError(f"the backbone takes images of at least {least} pixels, got {height} x {width}")
        return self.features((images - self.mean) / self.deviation).float()

    def freeze(self) -> None:
        """Makes inference faster where nothing will be trained: what a backbone can do for it, else nothing."""

    def stages(self) -> list[list[nn.Parameter]]:
        """Its parameters from the input to the output, in parts of which the last ones can be trained alone."""
        return [list(self.parameters())]

    def checkpoint_activations(self) -> None:
        """Makes training keep the activations between its blocks alone, and compute those within again.

        Raises:
            UserError: It cannot.
        """
        raise UserError("image.checkpointing = true is not for this backbone, only for efficientnet_lite and timm:NAME")

    @abstractmethod
    def features(self, images: Tensor) -> Tensor:
        """Features [n, dim] of normalised images [n, 3, side, side]."""
