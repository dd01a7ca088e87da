"""Writing files: in one step, so that a reader never sees half of one, or into arrays that are mapped."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nsh_core.errors import UserError


def write_atomically(path: Path, content: bytes | str) -> None:
    """Writes a file in one step; makes its folder.

    Args:
        path: Of the file.
        content: Text is written as UTF-8.

    Raises:
        UserError: That is not possible.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(temporary, 0o666 & ~umask)
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from None


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
