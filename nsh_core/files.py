"""Files: what may be read, and writing in one step, so that a reader never sees half."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from nsh_core.errors import UserError

_KINDS = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}


def status_of(path: Path) -> os.stat_result:
    """What the system knows of a file that is to be read.

    Args:
        path: Of the file.

    Raises:
        OSError: It is missing.
        UserError: It is a folder, a pipe or a device, and reading it could wait for ever.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "a device")
        raise UserError(f"cannot read {path}: a file is expected, got {kind}")
    return status


def partial_of(out: Path) -> Path:
    """Where the work in progress on a file or folder lies."""
    return out.with_name(f"{out.name}.partial")


def check_folder(folder: Path) -> None:
    """Makes a folder and looks whether it can be written into, before the work is done that it is for.

    Args:
        folder: Where files will go.

    Raises:
        UserError: They could not.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".writable."):
            pass
    except FileExistsError:
        raise UserError(f"cannot write into {folder}: a folder is expected, got a file") from None
    except OSError as error:
        raise UserError(f"cannot write into {folder}: {error.strerror or error}") from None


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
