"""Random folders of pictures, a few of them odd."""

import functools
import io

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from tests.study.random_bytes import damaged
from tests.study.random_commands import SMALL, Given

_ENDINGS = [
    "png",
    "png",
    "jpg",
    "jpg",
    "bmp",
    "gif",
    "webp",
    "ppm",
    "tif",
    "tif",
    "tga",
    "ico",
    "jp2",
    "pcx",
    "sgi",
    "dds",
    "eps",
    "pdf",
    "im",
    "avif",
]
_MODES = ["1", "L", "LA", "P", "RGB", "RGB", "RGBA", "CMYK", "LAB", "YCbCr", "HSV", "I", "F", "I;16"]


@functools.cache
def _picture(ending: str, mode: str, size: tuple[int, int]) -> bytes:
    """Nothing where Pillow does not write that."""
    pixels = np.random.default_rng(size[0]).integers(0, 255, (*size[::-1], 3), np.uint8)
    if mode == "LAB":
        picture = Image.new("LAB", size)
    elif mode.startswith("I"):
        picture = Image.fromarray(pixels[:, :, 0].astype(np.uint16 if mode == "I;16" else np.int32))
    else:
        picture = Image.fromarray(pixels).convert(mode)
    buffer = io.BytesIO()
    try:
        picture.save(buffer, {"jpg": "jpeg", "tif": "tiff", "jp2": "jpeg2000"}.get(ending, ending))
    except (OSError, ValueError, KeyError):
        return b""
    return buffer.getvalue()


@st.composite
def pictures(draw: st.DrawFn) -> Given:
    """Folders of pictures, a few of them odd."""
    files: dict[str, bytes | None] = {
        f"i/{part}/{label}/{number}.png": _picture("png", "RGB", (16, 16 + number))
        for part, count in (("train", 6), ("test", 2))
        for label in "ab"
        for number in range(count)
    }
    for _ in range(draw(st.integers(1, 2))):
        ending = draw(st.sampled_from(_ENDINGS))
        sizes = [(16, 16), (1, 1), (1, 300), (64, 48), (3, 2), (1200, 900), (2, 6000)]
        content: bytes | None = _picture(ending, draw(st.sampled_from(_MODES)), draw(st.sampled_from(sizes)))
        how = draw(st.sampled_from(["as it is", "damaged", "damaged", "damaged", "empty", "folder", "text"]))
        odd = {
            "as it is": st.just(content),
            "damaged": damaged(content or b""),
            "empty": st.just(b""),
            "folder": st.none(),
        }
        content = draw(odd.get(how, st.just(b"hello")))
        shown = draw(st.sampled_from([ending, ending, "png", "jpg", "gif", "tiff"]))
        files[f"i/{draw(st.sampled_from(['train', 'test']))}/a/{draw(st.integers(0, 9))} x.{shown}"] = content
    return Given("nsh_core", ["train", "--dataset", "imagefolder:i", *SMALL], files)
