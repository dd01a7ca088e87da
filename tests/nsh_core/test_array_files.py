import io
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import psutil
import pytest

from nsh_core import UserError
from nsh_core.array_files import map_array, read_archive, read_array


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def claiming(shape: str, there: int = 64, dtype: str = "<f4", version: int = 1) -> bytes:
    """A .npy file whose header claims a shape."""
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return (
        b"\x93NUMPY"
        + bytes((version, 0))
        + struct.pack("<H" if version == 1 else "<I", len(header))
        + header
        + bytes(there)
    )


BAD = [
    (claiming(f"({10**15},)"), r"float32 \[10{15}\], as its header says, takes 4\d* bytes"),
    (claiming(f"({10**9}, {10**9})"), "is damaged: float32"),
    (claiming("(17,)"), r"float32 \[17\], as its header says, takes 68 bytes, and it has 64"),
    (claiming("(15,)"), r"float32 \[15\], as its header says, takes 60 bytes, and it has 64"),
    (claiming("(-2, -8)"), "is not a readable .np. file"),
    (claiming("(16,"), "is not a readable .np. file: its header cannot be read"),
    (npy(np.arange(100.0))[:-1], "is damaged: float64"),
    (npy(np.arange(100.0))[:40], "is not a readable .np. file"),
    (npy(np.array([{"a": 1}], dtype=object)), "must hold numbers, got object"),
    (npy(np.array(["a", "b"])), "must hold numbers, got <U1"),
    (claiming(f"({10**15},)", 0, "<U0"), "must hold numbers, got <U0"),
    (claiming("(1,)", 8, "[('é', '<f8')]", 3), "is not a readable .np. file: it has version 3.0"),
    (b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**31) + bytes(99), "is not a readable .np. file"),
    (b"\x80\x04N.", "is not a readable .np. file"),
    (b"", "is not a readable .np. file"),
]


@pytest.mark.parametrize(("content", "message"), BAD)
def test_a_bad_array_is_named_before_anything_is_allocated(tmp_path, content, message):
    path, packed = tmp_path / "x.npy", tmp_path / "x.npz"
    path.write_bytes(content)
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", content)
    for read in (lambda: read_array(path), lambda: map_array(path), lambda: read_archive(packed, ["x"])):
        with pytest.raises(UserError, match=message):
            read()


def test_a_member_that_unpacks_to_more_than_memory_is_refused_unread(tmp_path):
    # Stored in one byte; what it says of itself is what a bomb's directory says.
    content = claiming(f"({2**40},)", 0)
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("x.npy", content)
    packed = bytearray((tmp_path / "x.npz").read_bytes())
    place = packed.rindex(b"PK\x01\x02")
    extra = struct.pack("<HHQ", 1, 8, 2**42 + len(content))
    packed[place + 24 : place + 28] = b"\xff" * 4
    packed[place + 30 : place + 32] = struct.pack("<H", len(extra))
    name = place + 46 + len("x.npy")
    packed[name:name] = extra
    end = packed.rindex(b"PK\x05\x06")
    packed[end + 12 : end + 16] = struct.pack("<I", end - place)
    (tmp_path / "x.npz").write_bytes(packed)
    with pytest.raises(
        UserError, match=r"x\.npz holds 4,096\.0 GiB of arrays, and .* GiB of memory are free: a folder"
    ):
        read_archive(tmp_path / "x.npz", ["x"])


def test_what_does_not_fit_into_memory_is_said(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "x.npz", x=np.zeros(10**6))
    np.save(tmp_path / "x.npy", np.zeros(10**6))
    free = psutil.virtual_memory()
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free._replace(available=2**20))
    for read in (lambda: read_array(tmp_path / "x.npy"), lambda: read_archive(tmp_path / "x.npz", ["x"])):
        with pytest.raises(UserError, match=r"x\.np. holds 0\.0 GiB of arrays, and 0\.0 GiB of memory are free"):
            read()
    assert map_array(tmp_path / "x.npy").shape == (10**6,)
    assert read_archive(tmp_path / "x.npz", ["y"]) == ({}, ["x"])


def test_altered_bytes_of_an_archive_are_seen(tmp_path):
    path = tmp_path / "x.npz"
    np.savez_compressed(path, x=np.random.default_rng(0).normal(size=50))
    whole, rng = path.read_bytes(), np.random.default_rng(1)
    expected = read_archive(path, ["x"])[0]["x"]
    for _ in range(100):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        try:
            arrays, names = read_archive(path, ["x"])
        except UserError:
            continue
        if names == ["x"]:
            np.testing.assert_array_equal(arrays["x"], expected)


@pytest.mark.parametrize("order", ["<", ">"])
def test_arrays_of_either_byte_order_are_read(tmp_path, order):
    values = np.arange(6, dtype=f"{order}i4").reshape(2, 3)
    np.save(tmp_path / "x.npy", values)
    np.savez(tmp_path / "x.npz", x=values, y=values)
    arrays, names = read_archive(tmp_path / "x.npz", ["x", "z"])
    assert (list(arrays), names) == (["x"], ["x", "y"])
    for array in (read_array(tmp_path / "x.npy"), arrays["x"]):
        assert array.dtype == np.int32
        np.testing.assert_array_equal(array, np.arange(6).reshape(2, 3))
    np.testing.assert_array_equal(map_array(tmp_path / "x.npy"), np.arange(6).reshape(2, 3))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (os.mkfifo, "a file is expected, got a pipe"),
        (Path.mkdir, "a file is expected, got a folder"),
        (lambda path: path.symlink_to("/dev/zero"), "a file is expected, got a device"),
        (lambda path: None, "No such file"),
    ],
)
def test_what_is_no_file_is_named_and_not_waited_for(tmp_path, make, message):
    make(tmp_path / "x")
    for read in (read_array, map_array, lambda path: read_archive(path, ["x"])):
        with pytest.raises(UserError, match=f"cannot read .*x: {message}"):
            read(tmp_path / "x")
