"""Where data lie: $NSH_DATA, or `data` in the working directory; what is derived from them: $NSH_CACHE."""

from __future__ import annotations

import os
from pathlib import Path

from nsh_core.errors import UserError


def data_folder() -> Path:
    """The folder of data sets."""
    return Path(os.environ.get("NSH_DATA") or "data")


def cache_folder() -> Path:
    """The folder of decoded images and extracted features, which can be made again."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("NSH_CACHE") or Path(home) / "nsh-study")


def locate(name: str) -> Path:
    """A file or folder by its path, or by its path within the data folder."""
    inside = data_folder() / name
    return inside if not os.path.exists(name) and os.path.exists(inside) else Path(name)


def root_of(kind: str, argument: str = "") -> Path:
    """The folder of a benchmark in the data folder.

    Args:
        kind: Name of the data set.
        argument: Should be empty.

    Raises:
        UserError: There is an argument.
    """
    if argument:
        raise UserError(
            f"dataset {kind} takes no argument, got {argument!r}: set NSH_DATA to the folder that holds {kind}/"
        )
    return data_folder() / kind
