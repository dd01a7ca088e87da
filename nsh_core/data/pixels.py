"""Images of any origin as squares in 8-bit RGB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from nsh_core.errors import UserError, in_a_line, is_out_of_memory

LARGEST = 256
_MOST_PIXELS = 2**26
_WIDE_GREY = ("PNG", "PPM")  # whose 16-bit greys Pillow may hand over as mode I
_CHANNELS = (1, 3)
_AT_ONCE = 256


def as_rgb(image: Image.Image) -> Image.Image:
    """An image in 8-bit RGB: of 16 bits the higher 8 are kept, what is transparent is laid on white.

    Args:
        image: Of any mode.

    Raises:
        ValueError: Its values have 32 bits, and no one knows their range.
    """
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in _WIDE_GREY):
        # Pillow's own conversion cuts all values above 255 to white.
        wide = np.asarray(image)
        grey = (wide >> 8).astype(np.uint8)
        if "transparency" in image.info:
            grey[wide == image.info["transparency"]] = 255
        return Image.fromarray(grey).convert("RGB")
    if image.mode in ("I", "F"):
        raise ValueError(f"no one knows which of its values, of 32 bits each (mode {image.mode}), are black and white")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def middle_square(image: Image.Image, side: int, what: str | Path) -> npt.NDArray[np.uint8]:
    """The middle square [3, side, side] of an image scaled to that shorter side.

    Args:
        image: In RGB.
        side: In pixels.
        what: What a message calls it.

    Raises:
        UserError: It is too long and narrow to be scaled.
    """
    shorter = min(image.size)
    if shorter != side:
        size = [max(side, round(length * side / shorter)) for length in image.size]
        if size[0] * size[1] > _MOST_PIXELS:
            raise UserError(f"{what} is too long and narrow, {image.size[0]} x {image.size[1]}, to be scaled to {side}")
        image = image.resize((size[0], size[1]), Image.Resampling.BICUBIC)
    left, top = ((length - side) // 2 for length in image.size)
    return np.asarray(image.crop((left, top, left + side, top + side))).transpose(2, 0, 1)


def side_of(width: int, height: int) -> int:
    """The side to which a data set of images is scaled whose first image is so large."""
    return min(LARGEST, width, height)


def with_channels_last(what: str, images: npt.NDArray) -> npt.NDArray:
    """Images with their channels on the last axis.

    Args:
        what: What messages call them.
        images: [N, H, W], [N, C, H, W] or [N, H, W, C], C 1 or 3.

    Returns:
        [N, H, W, C], a view.

    Raises:
        UserError: They have another shape, or one that is ambiguous.
    """
    if images.ndim == 3 and images.size:
        return images[..., None]
    places = [axis for axis in (1, 3) if images.ndim == 4 and images.size and images.shape[axis] in _CHANNELS]
    if len(places) != 1:
        ambiguous = ", which may be either" if places else ""
        raise UserError(
            f"{what} must be images [N, 3, H, W] or [N, H, W, 3] (1 in the place of 3, or [N, H, W], for grey), none "
            f"of them 0, got {list(images.shape)}{ambiguous}"
        )
    return np.moveaxis(images, places[0], 3)


def squares(what: str, images: npt.NDArray, side: int) -> npt.NDArray[np.uint8]:
    """Images as arrays, scaled to a shorter side and cut to the middle square.

    Args:
        what: What messages call them.
        images: [N, H, W, C], uint8 or floats in [0, 1], C 1 or 3.
        side: Of the squares in pixels.

    Returns:
        [N, 3, side, side].

    Raises:
        UserError: They are of another kind.
    """
    found = np.empty((len(images), 3, side, side), np.uint8)
    for start in range(0, len(images), _AT_ONCE):
        bytes_ = _bytes_of(what, images[start : start + _AT_ONCE])
        colours = np.broadcast_to(bytes_, (*bytes_.shape[:3], 3))
        if bytes_.shape[1:3] == (side, side):
            found[start : start + _AT_ONCE] = colours.transpose(0, 3, 1, 2)
            continue
        for place, one in enumerate(colours, start):
            image = Image.fromarray(np.ascontiguousarray(one))
            found[place] = middle_square(image, side, f"{what}[{place}]")
    return found


def _bytes_of(what: str, images: npt.NDArray) -> npt.NDArray[np.uint8]:
    if images.dtype == np.uint8:
        return images
    if not np.issubdtype(images.dtype, np.floating):
        raise UserError(f"{what} must be images in uint8, or floats in [0, 1], got {images.dtype}")
    values = images.astype(np.float32)
    low, high = float(values.min()), float(values.max())
    # Resampling may overshoot by less than a half of a step.
    if not (255 * low > -0.5 and 255 * high < 255.5):
        raise UserError(
            f"{what} must be images in uint8, or floats in [0, 1], got values {low:.3g} to {high:.3g}: leave out what "
            "normalises them, or divide by their largest value"
        )
    return np.rint(values * 255).astype(np.uint8)


def square(what: str, item: Any, side: int) -> npt.NDArray[np.uint8]:
    """One image scaled to a shorter side and cut to the middle square.

    Args:
        what: What messages call it.
        item: Of Pillow, or an array [H, W], [C, H, W] or [H, W, C], uint8 or floats in [0, 1], C 1 or 3.
        side: Of the square in pixels.

    Returns:
        [3, side, side].

    Raises:
        UserError: It is of another kind.
    """
    if not isinstance(item, Image.Image):
        return squares(what, with_channels_last(what, item[None]), side)[0]
    try:
        image = as_rgb(item)
    except Exception as error:  # decoders of damaged files raise whatever they stumble over
        if is_out_of_memory(error):
            raise
        raise UserError(f"{what} is no readable image: {in_a_line(error)}") from None
    return middle_square(image, side, what)
