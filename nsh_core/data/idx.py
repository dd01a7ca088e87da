"""IDX files, in which MNIST and its successors come: a header of big-endian sizes, then bytes; plain or by gzip."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt

from nsh_core.errors import UserError
from nsh_core.files import status_of
from nsh_core.registry import nearest_file

_BYTES = 8  # code of uint8 in the header
_MOST_AXES = 4


def read_idx(path: Path, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """The array of an IDX file, which must have the shape that is expected.

    No more is read or unpacked than that shape takes, whatever the file says of itself.

    Args:
        path: Of the file; where it is not there, it with .gz behind it.
        shape: Expected.

    Returns:
        uint8 of that shape.

    Raises:
        UserError: It cannot be read, is no such file or of another shape, or holds less or more than it says.
    """
    packed = path.with_name(f"{path.name}.gz")
    file = packed if not path.exists() and packed.exists() else path
    try:
        status_of(file)
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
            return _array(file, cast(BinaryIO, stream), shape)
    except gzip.BadGzipFile as error:
        raise UserError(f"{file} is not a readable gzip file: {error}") from None
    except (EOFError, zlib.error) as error:
        raise UserError(f"{file} is damaged: {error}") from None
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror or error}{nearest_file(file)}") from None


def _array(file: Path, stream: BinaryIO, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:3] != bytes((0, 0, _BYTES)) or not 1 <= magic[3] <= _MOST_AXES:
        raise UserError(f"{file} is no IDX file of bytes: it begins with {magic.hex(' ') or 'nothing'}, not 00 00 08")
    sizes = stream.read(4 * magic[3])
    found = struct.unpack(f">{len(sizes) // 4}I", sizes[: len(sizes) // 4 * 4])
    if found != shape:
        raise UserError(f"{file} must hold bytes {list(shape)}, got {list(found)}")
    size = math.prod(shape)
    content = stream.read(size + 1)
    if len(content) != size:
        there = "more" if len(content) > size else len(content)
        raise UserError(f"{file} is damaged: {list(shape)}, as it says, takes {size} bytes, and it has {there}")
    return np.frombuffer(content, np.uint8).reshape(shape)
