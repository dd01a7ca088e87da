"""Names of data sets: a bare path is one too, and however a path is spelt, it is one data set."""

from __future__ import annotations

import os
from pathlib import Path

from nsh_core.data.places import data_folder, locate
from nsh_core.data.stored import FACTS
from nsh_core.registry import DATASETS

# Kinds whose argument is a path in the working or the data folder.
_OF_PATHS = ("features", "arrays", "imagefolder", "list")


def with_kind(name: str) -> str:
    """A name as "kind:ARGUMENT", where it is the bare path of a feature file or of a folder of arrays.

    Args:
        name: Of a data set, or a path. A file need not be there, to be missed by its name.
    """
    if name.partition(":")[0] in DATASETS or not name:
        return name
    path = locate(name)
    if os.path.isfile(path / FACTS):
        return f"arrays:{name}"
    is_file = path.suffix == ".npz" and (os.path.isfile(path) or ":" not in name)
    return f"features:{name}" if is_file or os.path.isfile(path / "train_views.npy") else name


def one_name(name: str) -> str:
    """The same name however its path is spelt: within the data folder or the working directory relative to it.

    Args:
        name: Of a data set, or a path; nothing need be there.
    """
    kind, _, argument = with_kind(name).partition(":")
    if kind not in _OF_PATHS or not argument:
        return name
    path = os.path.abspath(locate(argument))
    within_data = os.path.relpath(path, data_folder())
    if not _leaves(within_data) and not os.path.lexists(within_data):
        return f"{kind}:{within_data}"
    within_here = os.path.relpath(path)
    return f"{kind}:{path if _leaves(within_here) else within_here}"


def _leaves(relative: str) -> bool:
    return Path(relative).parts[:1] == ("..",)
