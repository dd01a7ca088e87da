import gzip
import os
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsh_core import UserError
from nsh_core.data.idx import read_idx

SHAPE = (3, 4, 5)
VALUES = np.arange(60, dtype=np.uint8).reshape(SHAPE)


def idx(array: np.ndarray, kind: int = 8) -> bytes:
    """An IDX file as Yann LeCun's page describes it."""
    return bytes((0, 0, kind, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_plain_and_packed_files_are_read(tmp_path, pack):
    (tmp_path / ("x-ubyte" if pack is bytes else "x-ubyte.gz")).write_bytes(pack(idx(VALUES)))
    found = read_idx(tmp_path / "x-ubyte", SHAPE)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, VALUES)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(0, 255))
def test_any_shape_is_read(tmp_path_factory, shape, start):
    values = (np.arange(np.prod(shape)) + start).astype(np.uint8).reshape(shape)
    path = tmp_path_factory.mktemp("idx") / "x"
    path.write_bytes(idx(values))
    np.testing.assert_array_equal(read_idx(path, tuple(shape)), values)


BAD = [
    (b"", "is no IDX file of bytes: it begins with nothing, not 00 00 08"),
    (b"\x89PNG\r\n\x1a\n", "is no IDX file of bytes: it begins with 89 50 4e 47"),
    (idx(VALUES, 13), "begins with 00 00 0d 03"),
    (b"\x00\x00\x08\xff" + bytes(99), "begins with 00 00 08 ff"),
    (idx(VALUES)[:10], r"must hold bytes \[3, 4, 5\], got \[3\]"),
    (idx(VALUES[:2]), r"must hold bytes \[3, 4, 5\], got \[2, 4, 5\]"),
    (b"\x00\x00\x08\x03" + b"\xff" * 12, r"got \[4294967295, 4294967295, 4294967295\]"),
    (idx(VALUES)[:-1], r"is damaged: \[3, 4, 5\], as it says, takes 60 bytes, and it has 59"),
    (idx(VALUES) + b"x", "takes 60 bytes, and it has more"),
]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize(("content", "message"), BAD)
def test_a_bad_file_is_named(tmp_path, pack, content, message):
    (tmp_path / ("x" if pack is bytes else "x.gz")).write_bytes(pack(content))
    with pytest.raises(UserError, match=message):
        read_idx(tmp_path / "x", SHAPE)


def test_damaged_packing_and_what_is_no_file_are_named(tmp_path):
    packed = gzip.compress(idx(np.random.default_rng(0).integers(0, 255, SHAPE, dtype=np.uint8)))
    for content, message in (
        (b"no gzip", r"x\.gz is not a readable gzip file"),
        (packed[:-20], r"x\.gz is damaged"),
        (packed[:20] + bytes(30) + packed[50:], r"x\.gz is (damaged|not a readable gzip file)"),
    ):
        (tmp_path / "x.gz").write_bytes(content)
        with pytest.raises(UserError, match=message):
            read_idx(tmp_path / "x", SHAPE)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match=r"cannot read .*pipe: a file is expected, got a pipe"):
        read_idx(tmp_path / "pipe", SHAPE)
    with pytest.raises(UserError, match=r"cannot read .*none: No such file"):
        read_idx(tmp_path / "none", SHAPE)


def test_a_bomb_is_unpacked_no_further_than_the_expected_shape(tmp_path, monkeypatch):
    """64 MiB behind a header that fits; what is inflated is counted."""
    (tmp_path / "x.gz").write_bytes(gzip.compress(idx(VALUES) + bytes(2**26), 1))
    inflated = 0
    make = zlib.decompressobj

    class Counting:
        def __init__(self, **options: int) -> None:
            self.inner = make(**options)

        def __getattr__(self, name: str) -> object:
            return getattr(self.inner, name)

        def decompress(self, data: bytes, most: int = 0) -> bytes:
            nonlocal inflated
            found = self.inner.decompress(data, most)
            inflated += len(found)
            return found

    monkeypatch.setattr("zlib._ZlibDecompressor", Counting, raising=False)
    monkeypatch.setattr("zlib.decompressobj", Counting)
    with pytest.raises(UserError, match="takes 60 bytes, and it has more"):
        read_idx(tmp_path / "x", SHAPE)
    assert inflated < 2**20
