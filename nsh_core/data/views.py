"""Random views of small images, made on tensors."""

from __future__ import annotations

import math

import torch
from torch import Tensor

ROTATION = math.radians(15)
SCALE = 0.15
SHEAR = 0.15
SHIFT = 0.125
NOISE = 0.1


def affine_noise_views(images: Tensor, generator: torch.Generator) -> Tensor:
    """A random affine map and Gaussian noise for each image.

    Rotation within 15 degrees, scale and shear within 0.15, shift within one eighth of half the side per axis, noise
    of standard deviation 0.1.

    Args:
        images: [b, 1, H, W] with values in [0, 1].
        generator: Of all that is drawn, on the CPU.

    Returns:
        [b, 1, H, W]; the noise may take values out of [0, 1].
    """
    rotation, scale, shear, across, down = torch.rand(5, len(images), generator=generator) * 2 - 1
    cos, sin = torch.cos(rotation * ROTATION), torch.sin(rotation * ROTATION)
    size = 1 + scale * SCALE
    slant = shear * SHEAR
    matrix = torch.stack(
        [
            torch.stack([size * cos, size * (slant * cos - sin), across * SHIFT], dim=1),
            torch.stack([size * sin, size * (slant * sin + cos), down * SHIFT], dim=1),
        ],
        dim=1,
    )
    grid = torch.nn.functional.affine_grid(matrix, list(images.shape), align_corners=False)
    moved = torch.nn.functional.grid_sample(images, grid, align_corners=False)
    return moved + NOISE * torch.randn(images.shape, generator=generator)
