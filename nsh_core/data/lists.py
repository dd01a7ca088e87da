"""List files of the HashNet and DeepHash-pytorch kind: `path l1 l2 ... lL` a line, multi-hot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from nsh_core.errors import UserError
from nsh_core.files import status_of

LIST_ENDING = ".txt"  # where a list is told by its ending


def read_paths(file: Path) -> list[str]:
    """Reads the paths of a list file, a line each; labels behind them, if the first line has any, are left out.

    Args:
        file: The list.

    Raises:
        UserError: As read_list.
    """
    lines = [line.strip() for line in _lines(file) if line.strip()]
    return read_list(file)[0] if not lines or lines[0].endswith((" 0", " 1", "\t0", "\t1")) else lines


def read_list(file: Path) -> tuple[list[str], npt.NDArray[np.uint8]]:
    """Reads a list file; labels are the run of 0 and 1 at the end of a line.

    Args:
        file: The list.

    Returns:
        Paths [N] and labels [N, L].

    Raises:
        UserError: It cannot be read, holds no images, or a line does not fit, which is named.
    """
    paths: list[str] = []
    labels: list[list[str]] = []
    for number, line in enumerate(_lines(file), 1):
        if not line.strip():
            continue
        # A path may hold blanks: labels are the run of 0 and 1 at the end.
        words = line.split()
        count = 0
        while count < len(words) - 1 and words[-1 - count] in ("0", "1"):
            count += 1
        if labels and count > len(labels[0]):
            count = len(labels[0])
        if count == 0 or (labels and count != len(labels[0])):
            wanted = f"{len(labels[0])} labels" if labels else "labels"
            raise UserError(f"{file}, line {number}: expected a path and {wanted} of 0 or 1, got {line.strip()[:80]!r}")
        paths.append(line.strip().rsplit(None, count)[0])
        labels.append(words[-count:])
    if not paths:
        raise UserError(f"{file} holds no images")
    return paths, np.array(labels, dtype=np.uint8)


def _lines(file: Path) -> list[str]:
    try:
        status_of(file)
        return file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {file}: {getattr(error, 'strerror', None) or error}") from None
