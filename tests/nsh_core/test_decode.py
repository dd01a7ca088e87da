import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nsh_core import UserError
from nsh_core.data.decode import decoded
from tests.nsh_core.images import picture

RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)
RED = (200, 40, 40)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NSH_CACHE", str(tmp_path / "cache"))


def pixels(path: Path) -> np.ndarray:
    """[H, W, 3] of one image."""
    return np.array(decoded([path])[0][0].transpose(1, 2, 0))


@pytest.mark.parametrize(("ending", "order"), [("png", "<"), ("tif", "<"), ("tif", ">"), ("ppm", "<")])
def test_grey_of_16_bits_keeps_its_shades(tmp_path, ending, order):
    path = tmp_path / f"x.{ending}"
    Image.fromarray((RAMP.astype(np.uint16) * 257).astype(f"{order}u2")).save(path)
    np.testing.assert_array_equal(pixels(path), np.repeat(RAMP[:, :, None], 3, axis=2))


def test_grey_cmyk_and_palettes_become_rgb(tmp_path):
    Image.fromarray(RAMP).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(pixels(tmp_path / "grey.png"), np.repeat(RAMP[:, :, None], 3, axis=2))
    red = Image.new("RGB", (16, 16), RED)
    for name, image in (
        ("cmyk.jpg", red.convert("CMYK")),
        ("cmyk.tif", red.convert("CMYK")),
        ("p.png", red.quantize()),
    ):
        image.save(tmp_path / name)
        assert (abs(pixels(tmp_path / name) - np.array(RED)) <= 1).all(), name


@pytest.mark.parametrize("name", ["rgba.png", "rgba.webp", "palette.png", "palette.gif", "grey.png", "wide.png"])
def test_what_is_transparent_is_laid_on_white(tmp_path, name):
    image = Image.new("RGBA", (16, 16), (*RED, 255))
    image.paste((*RED, 0), (0, 0, 8, 16))
    options = {"lossless": True} if name == "rgba.webp" else {}
    if name == "palette.png":
        image = image.quantize()
    elif name == "grey.png":
        image = image.convert("LA")
    elif name == "wide.png":
        image, options = Image.fromarray(np.full((16, 16), 77 * 257, np.uint16)), {"transparency": 0}
        image.paste(0, (0, 0, 8, 16))
    image.save(tmp_path / name, **options)
    found = pixels(tmp_path / name).astype(int)
    shown = {"grey.png": [image.convert("L").getpixel((12, 0))], "wide.png": [77]}.get(name, RED)
    assert (found[:, :8] == 255).all()
    assert (abs(found[:, 8:] - shown) <= 1).all()


def test_values_without_a_known_range_are_refused(tmp_path):
    Image.fromarray(RAMP.astype(np.float32)).save(tmp_path / "x.tif")
    with pytest.raises(UserError, match=r"x\.tif is no readable image: .* 32 bits each \(mode F\)"):
        decoded([tmp_path / "x.tif"])


def test_a_picture_replaced_under_its_size_and_time_is_seen(tmp_path):
    path, other = tmp_path / "a.bmp", tmp_path / "b.bmp"
    for label, file in enumerate((path, other)):
        picture([label], np.random.default_rng(0)).save(file)
    before, content = pixels(path), decoded([path])[1]
    status = path.stat()
    assert other.stat().st_size == status.st_size
    path.write_bytes(other.read_bytes())
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_mtime_ns == status.st_mtime_ns
    assert (pixels(path) != before).any()
    assert decoded([path])[1] != content
    # The same content again is the same data, whenever it was written.
    other.unlink()
    picture([0], np.random.default_rng(0)).save(path)
    assert decoded([path])[1] == content


def test_a_damaged_cache_is_made_again(tmp_path):
    picture([0], np.random.default_rng(0)).save(tmp_path / "a.png")
    before = pixels(tmp_path / "a.png")
    for name, content in (("images.npy", b"\x93NUMPY"), ("facts.json", b"{}")):
        next((tmp_path / "cache" / "images").glob(f"*/{name}")).write_bytes(content)
        np.testing.assert_array_equal(pixels(tmp_path / "a.png"), before)


def png(width: int, height: int, content: bytes) -> bytes:
    """A PNG that claims a size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", header), (b"IDAT", content), (b"IEND", b""))
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def narrow(path: Path) -> None:
    Image.new("RGB", (1, 300_000)).save(path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_bytes(png(30_000, 30_000, b"")), "no readable image: DecompressionBombError"),
        (
            lambda path: path.write_bytes(png(16, 16, zlib.compress(bytes(30)))),
            "no readable image: OSError: .*truncated",
        ),
        (lambda path: path.write_bytes(b""), "no readable image"),
        (narrow, "is too long and narrow, 1 x 300000, to be scaled to 16"),
        (os.mkfifo, r"cannot read .*x\.png: a file is expected, got a pipe"),
        (lambda path: path.symlink_to("/dev/zero"), r"cannot read .*x\.png: a file is expected, got a device"),
        (Path.mkdir, r"cannot read .*x\.png: a file is expected, got a folder"),
    ],
)
def test_what_is_no_image_is_named(tmp_path, make, message):
    good, bad = tmp_path / "good.png", tmp_path / "x.png"
    picture([0], np.random.default_rng(0)).save(good)
    make(bad)
    with pytest.raises(UserError, match=message):
        decoded([good, bad])


def test_what_pillow_warns_of_is_a_note(tmp_path, capsys):
    path = tmp_path / "a.tif"
    Image.new("RGB", (16, 16), "red").save(path)
    content = bytearray(path.read_bytes())
    entry = content.index(struct.pack("<HHI", 284, 3, 1))
    content[entry + 4 : entry + 8] = struct.pack("<I", 2**16)  # values of a tag that the file does not hold
    path.write_bytes(content)
    assert pixels(path)[8, 8].tolist() == [255, 0, 0]
    out, err = capsys.readouterr()
    assert out == "note: of some images Pillow says: Tag data larger than file. Skipping tag 284\n"
    assert err == ""
