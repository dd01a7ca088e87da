"""Compiled once on a machine, for each version of the kernels."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

_FOLDER = Path(__file__).parent
_SOURCES = sorted(path for folder in ("fused", "metrics") for path in (_FOLDER / folder).glob("*.py"))
_DIGEST = hashlib.sha256(b"".join(path.read_bytes() for path in _SOURCES)).hexdigest()[:12]


def compiled(function: Callable[..., Any]) -> Any:
    """The function compiled by numba, without the interpreter's lock, and kept on disk.

    numba takes what it has kept as long as the function's own file has not changed, whatever became of the functions
    that it calls: so each version of the two folders has a place of its own.
    """
    config: Any = numba.config
    known = config.CACHE_DIR
    if known or os.access(_FOLDER, os.W_OK):
        config.CACHE_DIR = str(Path(known or _FOLDER / "__pycache__") / f"kernels-{_DIGEST}")
    try:
        return numba.njit(nogil=True, cache=True, error_model="numpy")(function)
    finally:
        config.CACHE_DIR = known
