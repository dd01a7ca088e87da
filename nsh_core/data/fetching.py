"""Benchmarks that torchvision fetches where there is a network."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nsh_core.data.places import data_folder
from nsh_core.errors import UserError
from nsh_core.packages import need


def fetched(kind: str, root: Path, by_hand: str, name: str, parts: Iterable[Mapping[str, Any]]) -> list[Any]:
    """Parts of a data set of torchvision, fetched first if they are not there.

    Args:
        kind: Name of the data set here.
        root: The folder where torchvision keeps it.
        by_hand: How else it gets there, in words.
        name: Class of torchvision.datasets.
        parts: Arguments of that class, for each part.

    Raises:
        UserError: torchvision cannot be imported, or fetches nothing; the message says how else it is done.
    """
    where = (
        f"dataset {kind} is not in {root}: {by_hand} (NSH_DATA names another folder than {data_folder()}), or have "
        "torchvision fetch it where there is a network; that"
    )
    source = getattr(need("torchvision", where).datasets, name)
    try:
        return [source(os.fspath(root), download=True, **part) for part in parts]
    except (OSError, RuntimeError) as error:
        line = " ".join(str(error).split())
        raise UserError(f"{where} failed ({line})") from None
