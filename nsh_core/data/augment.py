"""View recipes for images, batched on the device: SimCLR, CIBHash, MoCo v2.

Images are float [b, C, H, W] in [0, 1], C 3, or 1 for grey. Every image gets parameters of its own, drawn on the CPU
from one generator, so that views do not depend on the device's random numbers. Colours are jittered in a fixed order:
brightness, contrast, saturation, hue; grey has none of the last two.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, conv2d, grid_sample, pad

from nsh_core.sending import sent

_GRAY = (0.299, 0.587, 0.114)
_SMALL = 64
_PIXELS = 2**18


@dataclass(frozen=True)
class Recipe:
    """How views are drawn; flips have chance 1/2.

    Attributes:
        crop: Least share of the area; aspect ratios are within 3/4 to 4/3.
        jitter: Strengths of brightness, contrast, saturation and hue.
        jitter_chance: Chance of the jitter.
        gray: Chance of grey.
        blur: Side of the Gaussian kernel in pixels, or as a share of the image, 0 for none; sigma is in [0.1, 2]
            pixels, the chance 1/2.
    """

    crop: float
    jitter: tuple[float, float, float, float]
    jitter_chance: float
    gray: float
    blur: int | float


RECIPES = {
    # Chen et al., ICML 2020, appendix A
    "simclr": Recipe(0.08, (0.8, 0.8, 0.8, 0.2), 0.8, 0.2, 0.1),
    # Qiu et al., IJCAI 2021, the authors' code
    "cibhash": Recipe(0.5, (0.4, 0.4, 0.4, 0.1), 0.7, 0.2, 3),
    # Chen et al., Improved Baselines with Momentum Contrastive Learning, 2020, the authors' code
    "moco": Recipe(0.2, (0.4, 0.4, 0.4, 0.1), 0.8, 0.2, 0.1),
}
# SimCLR on CIFAR-10 (appendix B.9): half the strength, no blur.
SIMCLR_SMALL = Recipe(0.08, (0.4, 0.4, 0.4, 0.1), 0.8, 0.2, 0)


def random_views(images: Tensor, recipe: str, side: int, generator: torch.Generator) -> Tensor:
    """A view of each image.

    Args:
        images: [b, C, H, W] in [0, 1].
        recipe: Name of a recipe; of views below 64 pixels "simclr" is its small variant.
        side: Of the views, in pixels.
        generator: On the CPU.

    Returns:
        [b, C, side, side], where the images lie; a grey image gets the view that it would get in three channels.
    """
    chosen = SIMCLR_SMALL if recipe == "simclr" and side < _SMALL else RECIPES[recipe]
    drawn = _drawn(chosen, len(images), generator)
    # Some at a time stay in the CPU's caches: a third of the time at a side of 224.
    at_once = max(1, _PIXELS // side**2) if images.device.type == "cpu" else len(images)
    parts = zip(*(one.split(at_once, dim=-1) for one in drawn), strict=True)
    pieces = zip(images.split(at_once), parts, strict=True)
    return torch.cat([_viewed(piece, chosen, side, *part) for piece, part in pieces])


def _drawn(recipe: Recipe, count: int, generator: torch.Generator) -> list[Tensor]:
    """What _viewed takes, the last axis that of the images."""
    boxes = torch.rand(5, count, generator=generator)
    strengths = (torch.rand(4, count, generator=generator) * 2 - 1) * torch.tensor(recipe.jitter)[:, None]
    drawn = [boxes, strengths, torch.rand(count, generator=generator) < recipe.jitter_chance]
    drawn.append(torch.rand(count, generator=generator) < recipe.gray)
    if recipe.blur:
        sigma = 0.1 + 1.9 * torch.rand(count, generator=generator)
        drawn += [sigma, torch.rand(count, generator=generator) < 0.5]
    return drawn


def _viewed(
    images: Tensor, recipe: Recipe, side: int, boxes: Tensor, strengths: Tensor, jitters: Tensor, grays: Tensor,
    sigma: Tensor | None = None, blurs: Tensor | None = None,
) -> Tensor:  # fmt: skip
    views = _crop_and_flip(images, recipe.crop, side, boxes)
    views = _where(jitters, jittered(views, strengths), views)
    views = _where(grays, grayed(views), views)
    if sigma is not None and blurs is not None:
        kernel = recipe.blur if isinstance(recipe.blur, int) else 2 * round(recipe.blur * side / 2) + 1
        views = _where(blurs, blurred(views, sigma, kernel), views)
    return views


def _where(chosen: Tensor, changed: Tensor, images: Tensor) -> Tensor:
    return torch.where(sent(chosen, images.device)[:, None, None, None], changed, images)


def _crop_and_flip(images: Tensor, least: float, side: int, boxes: Tensor) -> Tensor:
    """A crop of each image, resized bilinearly, flipped with chance 1/2; boxes [5, b] are uniform in [0, 1]."""
    area, shape, across, down, flip = boxes
    scale = (least + (1 - least) * area).sqrt()
    ratio = (torch.tensor(4 / 3).log() * (2 * shape - 1) / 2).exp()
    width, height = (scale * ratio).clamp(max=1), (scale / ratio).clamp(max=1)
    zero = torch.zeros(len(images))
    left, top = (1 - width) * (2 * across - 1), (1 - height) * (2 * down - 1)
    direction = torch.where(flip < 0.5, -1.0, 1.0)
    rows = torch.stack([width * direction, zero, left]), torch.stack([zero, height, top])
    matrix = sent(torch.stack([row.T for row in rows], dim=1), images.device)
    grid = affine_grid(matrix, [len(images), 3, side, side], align_corners=False)
    return grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False).clamp(0, 1)


def grayed(images: Tensor) -> Tensor:
    """Luminance of images [b, C, H, W] in all channels."""
    if images.shape[1] == 1:
        return images
    weights = sent(torch.tensor(_GRAY, dtype=images.dtype), images.device)[None, :, None, None]
    return (images * weights).sum(dim=1, keepdim=True).expand_as(images)


def jittered(images: Tensor, strengths: Tensor) -> Tensor:
    """Jitters colours: brightness, contrast and saturation times 1 + strength, hue turned by strength.

    Args:
        images: [b, C, H, W] in [0, 1].
        strengths: [4, b]; of hue in turns of the circle.
    """
    brightness, contrast, saturation, hue = sent(strengths, images.device)[:, :, None, None, None]
    images = (images * (1 + brightness)).clamp(0, 1)
    mean = grayed(images)[:, :1].mean(dim=(2, 3), keepdim=True)
    images = (mean + (images - mean) * (1 + contrast)).clamp(0, 1)
    if images.shape[1] == 1:
        return images
    gray = grayed(images)
    images = (gray + (images - gray) * (1 + saturation)).clamp(0, 1)
    return turned_hue(images, hue[:, 0])


def turned_hue(images: Tensor, turn: Tensor) -> Tensor:
    """Images with their hue (of HSV) turned.

    Args:
        images: [b, 3, H, W] in [0, 1].
        turn: [b, 1, 1], in turns of the circle.
    """
    red, green, blue = images.unbind(1)
    value, low = images.amax(1), images.amin(1)
    chroma = value - low
    safe = torch.where(chroma > 0, chroma, 1.0)
    hue = torch.where(
        value == red,
        (green - blue) / safe,
        torch.where(value == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    hue = (hue / 6 + turn) % 1
    # Channel n of HSV to RGB: V - C max(0, min(k, 4 - k, 1)), k = (n + 6 H) mod 6, n = 5, 3, 1.
    channels = []
    for n in (5, 3, 1):
        k = (n + 6 * hue) % 6
        channels.append(value - chroma * torch.minimum(k, 4 - k).clamp(0, 1))
    return torch.stack(channels, dim=1)


def blurred(images: Tensor, sigma: Tensor, kernel: int) -> Tensor:
    """Images blurred by Gaussians.

    Args:
        images: [b, C, H, W].
        sigma: Standard deviations [b], in pixels.
        kernel: Side that they are cut to, in pixels; odd.
    """
    offsets = torch.arange(kernel, dtype=images.dtype, device=images.device) - kernel // 2
    weights = (-0.5 * (offsets / sent(sigma, images.device)[:, None]).square()).exp()
    count, channels, height, width = images.shape
    weights = (weights / weights.sum(dim=1, keepdim=True)).repeat_interleave(channels, dim=0)
    half = kernel // 2
    planes = pad(images, (half, half, half, half), mode="reflect").view(1, channels * count, height + 2 * half, -1)
    planes = conv2d(planes, weights[:, None, None, :], groups=channels * count)
    planes = conv2d(planes, weights[:, None, :, None], groups=channels * count)
    return planes.view(count, channels, height, width)
