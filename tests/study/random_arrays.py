"""Random feature files and items to encode, most of them nearly right."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.conftest import feature_arrays
from tests.study.random_bytes import damaged, npy, npz
from tests.study.random_commands import FEATURES, SMALL, Given

_DTYPES: list[Any] = [
    "f2",
    "<f4",
    ">f4",
    "<f8",
    ">f8",
    "f16",
    "i1",
    ">i2",
    "<i4",
    "<i8",
    ">i8",
    "u1",
    ">u4",
    "u8",
    "?",
    "c8",
    "c16",
    "O",
    "U3",
    "S3",
    "M8[s]",
    "m8[s]",
    "V4",
]
_DTYPES += [[("a", "<f4"), ("b", "<i4")], [("a", "<f4", (2,))]]
_SHAPES: list[tuple[int, ...]] = [(), (0,), (1,), (0, 12), (5, 0), (3, 12), (1, 12), (2, 2, 2, 2), (41, 1), (120, 1)]
_SHAPES += [(7, 2, 12), (7, 1, 12), (0, 2, 12), (100_000, 12), (1,) * 20]
_NUMBERS = [np.nan, np.inf, -np.inf, 1e300, 1e38, 1e-300, 1e20, 0.0, -1.0, 255.0]


@st.composite
def _changed(draw: st.DrawFn, array: np.ndarray) -> np.ndarray:
    """An array of another type, shape or content."""
    how = draw(st.sampled_from(["dtype", "dtype", "shape", "value", "value", "all", "order"]))
    if how == "dtype":
        dtype = np.dtype(draw(st.sampled_from(_DTYPES)))
        with np.errstate(all="ignore"):
            return np.zeros(array.shape, dtype) if dtype.kind in "VMm" else array.astype(dtype)
    if how == "shape":
        return np.ones(draw(st.sampled_from([*_SHAPES, array.shape[::-1], array.shape[:-1]])), array.dtype)
    if how == "order":
        return np.asfortranarray(array)
    value = draw(st.sampled_from(_NUMBERS))
    other = np.asarray(array, np.float64).copy()
    other[... if how == "all" else (0,) * other.ndim] = value
    with np.errstate(all="ignore"):
        return other if draw(st.booleans()) else other.astype(array.dtype)


@st.composite
def _tricked(draw: st.DrawFn, content: bytes) -> bytes:
    """An archive whose parts are packed, named or told of in unusual ways."""
    how = draw(st.sampled_from(["twice", "folder", "method", "encrypted", "size", "comment", "plain", "empty"]))
    buffer = io.BytesIO()
    method = draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]))
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w", method) as new:
        for name in old.namelist() if how != "empty" else []:
            new.writestr({"folder": f"a/{name}", "plain": name.removesuffix(".npy")}.get(how, name), old.read(name))
        if how == "comment":
            new.comment = b"x" * 60_000
    changed = bytearray(buffer.getvalue())
    at = changed.rfind(b"PK\1\2")
    if how == "twice":
        return bytes(changed * 2)
    if how == "encrypted" and at >= 0:
        changed[at + 8] |= 1
    elif how == "method" and at >= 0:
        changed[at + 10] = draw(st.integers(0, 100))
    elif how == "size" and at >= 0:
        changed[at + 24 : at + 28] = draw(st.sampled_from([0, 1, 2**31, 2**32 - 1])).to_bytes(4, "little")
    return bytes(changed)


@st.composite
def arrays(draw: st.DrawFn, hasher: Path) -> Given:
    """Feature files and items to encode."""
    if draw(st.integers(0, 2)) == 0:
        items = np.random.default_rng(0).integers(0, 16, (5, 64)).astype(np.float32)
        content = npy(draw(_changed(items)) if draw(st.booleans()) else items)
        content = draw(damaged(content)) if draw(st.booleans()) else content
        more = draw(st.sampled_from([[], ["--any-scale"]]))
        options = ["encode", "--model", str(hasher), "--input", "x.npy", "--out", "o.npy", *more]
        return Given("nsh_core", options, {"x.npy": content})
    small = feature_arrays(draw(st.booleans()), draw(st.sampled_from([np.float32, np.float32, np.uint8])))
    for name in draw(st.lists(st.sampled_from(sorted({*small, "scale"})), max_size=2)):
        if draw(st.integers(0, 9)) == 0:
            small.pop(name, None)
        else:
            small[name] = draw(_changed(np.asarray(small.get(name, np.float32(0.5)))))
    if draw(st.integers(0, 4)) == 0:  # a folder of arrays
        files: dict[str, bytes | None] = {f"d/{name}.npy": npy(np.asarray(array)) for name, array in small.items()}
        hit = draw(st.sampled_from(sorted(files)))
        content = files[hit] or b""
        files[hit] = draw(damaged(content)) if draw(st.booleans()) else content
        return Given("nsh_core", ["train", "--dataset", "features:d", *SMALL], files)
    content = npz(small, draw(st.booleans()))
    how = draw(st.sampled_from(["as it is", "as it is", "damaged", "tricked"]))
    content = draw({"as it is": st.just(content), "damaged": damaged(content), "tricked": _tricked(content)}[how])
    return Given("nsh_core", ["train", "--dataset", f"features:{FEATURES}", *SMALL], {FEATURES: content})
