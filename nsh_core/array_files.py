"""Arrays in files: .npy and .npz of any origin, numbers only and no more than memory takes; raw and mapped ones."""

from __future__ import annotations

import io
import lzma
import math
import os
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
import psutil

from nsh_core.errors import UserError, in_a_line
from nsh_core.files import status_of
from nsh_core.registry import nearest_file

_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_LONGEST_HEADER = 2**14  # numpy refuses those of more than 10,000 bytes
_DAMAGES = (ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)


def read_array(path: Path) -> npt.NDArray:
    """The array of a .npy file, in the byte order of this machine.

    Args:
        path: Of the file.

    Raises:
        UserError: It is no such file, holds something else than numbers, is damaged, or does not fit into memory.
    """
    with _refusals(path, ".npy"):
        size = _checked(path)
        _check_memory(path, size)
        return _native(np.load(path, allow_pickle=False))


def map_array(path: Path) -> np.memmap:
    """The array of a .npy file, mapped into memory, in its own byte order.

    Args:
        path: Of the file.

    Raises:
        UserError: It is no such file, holds something else than numbers, or is damaged.
    """
    with _refusals(path, ".npy"):
        _checked(path)
        return np.load(path, mmap_mode="r", allow_pickle=False)


def read_archive(path: Path, names: Collection[str]) -> tuple[dict[str, npt.NDArray], list[str]]:
    """Arrays of an .npz file, in the byte order of this machine.

    Args:
        path: Of the file.
        names: Of the arrays that are read, if they are there.

    Returns:
        Those arrays, and the names of all that it holds.

    Raises:
        UserError: It is no such file, holds something else than numbers, is damaged, or does not fit into memory.
    """
    with _refusals(path, ".npz"):
        status_of(path)
        with zipfile.ZipFile(path) as archive:
            members = {one.filename.removesuffix(".npy"): one for one in archive.infolist()}
            wanted = {name: members[name] for name in names if name in members}
            # What is packed says how long it is, and is read no further.
            for name, member in wanted.items():
                with archive.open(member) as file:
                    _check_header(f"{path}: {name}", file, member.file_size)
            _check_memory(path, sum(member.file_size for member in wanted.values()))
            arrays = {}
            for name, member in wanted.items():
                with archive.open(member) as file:
                    arrays[name] = _native(np.lib.format.read_array(file, allow_pickle=False))
            return arrays, list(members)


def new_array(path: Path, dtype: npt.DTypeLike, shape: tuple[int, ...]) -> np.memmap:
    """A new .npy file mapped into memory, with its room reserved: a full disk is an error here, no crash later.

    Args:
        path: Of the file.
        dtype: Of the array.
        shape: Of the array.

    Raises:
        OSError: The file cannot be made, or the disk is full.
    """
    array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array


def bytes_of(path: Path, size: int, holds: str) -> npt.NDArray[np.uint8]:
    """The content of a file of known size; of another size nothing is read.

    Args:
        path: Of the file.
        size: Expected, in bytes.
        holds: What that is, in words.

    Raises:
        UserError: It cannot be read, or is of another size.
    """
    try:
        found = status_of(path).st_size
        if found != size:
            raise UserError(f"{path} must hold {holds}, got {found} bytes")
        return np.fromfile(path, np.uint8)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None


@contextmanager
def _refusals(path: Path, kind: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}{nearest_file(path)}") from None
    except MemoryError:
        raise UserError(f"{path} does not fit into memory") from None
    except _DAMAGES as error:
        raise UserError(f"{path} is not a readable {kind} file: {error}") from None


def _checked(path: Path) -> int:
    """The size of a .npy file that holds what its header tells of."""
    size = status_of(path).st_size
    with path.open("rb") as file:
        _check_header(str(path), file, size)
    return size


def _check_header(what: str, file: IO[bytes], size: int) -> None:
    head = io.BytesIO(file.read(_LONGEST_HEADER))
    version = np.lib.format.read_magic(head)
    if version not in _HEADERS:
        raise ValueError(f"it has version {version[0]}.{version[1]}, in which no arrays of numbers are written")
    try:
        shape, _, dtype = _HEADERS[version](head)
    except Exception as error:  # the parser of a damaged header raises whatever it stumbles over
        raise ValueError(f"its header cannot be read: {in_a_line(error)}") from None
    if dtype.kind not in "biufc":
        raise UserError(f"{what} must hold numbers, got {dtype}")
    claimed, there = math.prod(shape) * dtype.itemsize, size - head.tell()
    if claimed != there:
        raise UserError(
            f"{what} is damaged: {dtype} {list(shape)}, as its header says, takes {claimed} bytes, and it has {there}"
        )


def _check_memory(path: Path, size: int) -> None:
    free = psutil.virtual_memory().available
    if size > free:
        raise UserError(
            f"{path} holds {size / 2**30:,.1f} GiB of arrays, and {free / 2**30:,.1f} GiB of memory are free: a folder "
            "with each array as a .npy file is mapped into memory instead"
        )


def _native(array: npt.NDArray) -> npt.NDArray:
    return array.astype(array.dtype.newbyteorder("="), copy=False)
