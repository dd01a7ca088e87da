"""Arrays of a data set in a folder of its own, which any process maps into memory, and sees when they are damaged."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from filelock import FileLock
from pydantic import TypeAdapter
from typing_extensions import TypedDict

from nsh_core.array_files import map_array
from nsh_core.data.fingerprint import fingerprint_of
from nsh_core.errors import UserError
from nsh_core.files import status_of

FACTS = "arrays.json"


class Facts(TypedDict):
    """What is written beside arrays: k of mAP@k, none for all, and the fingerprint of each array by name."""

    map_at: int | None
    content: dict[str, str]


def write_arrays(folder: Path, name: str, arrays: Mapping[str, npt.NDArray], map_at: int | None) -> Path:
    """Writes arrays once, in one step: where they are already, nothing is done; where they are damaged, anew.

    Args:
        folder: Of many such; made if it is not there.
        name: For the eye.
        arrays: By name.
        map_at: k of mAP@k, none for all.

    Returns:
        The folder of these, NAME-CONTENT within `folder`.

    Raises:
        UserError: That is not possible.
    """
    facts = Facts(map_at=map_at, content=_content_of(arrays))
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    place = folder / f"{re.sub('[^A-Za-z0-9_-]+', '_', name)[:60]}-{digest}"
    working = place.with_name(f".{place.name}.partial")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(place.with_name(f".{place.name}.lock")):
            if _is_whole(place, facts):
                return place
            for left in (place, working):
                shutil.rmtree(left, ignore_errors=True)
            try:
                working.mkdir()
                for one, array in arrays.items():
                    np.save(working / f"{one}.npy", array)
                (working / FACTS).write_text(json.dumps(facts, indent=1), encoding="utf-8")
                os.replace(working, place)
            finally:
                shutil.rmtree(working, ignore_errors=True)
    except OSError as error:
        raise UserError(f"cannot write {place}: {error.strerror or error}") from None
    return place


def read_arrays(folder: Path) -> tuple[dict[str, npt.NDArray], Facts]:
    """Arrays that write_arrays wrote, mapped into memory.

    Args:
        folder: As returned there.

    Returns:
        The arrays by name, and what is written beside them.

    Raises:
        UserError: There are none, or they are not what was written.
    """
    try:
        status_of(folder / FACTS)
        facts = TypeAdapter(Facts).validate_json((folder / FACTS).read_text(encoding="utf-8"), strict=True)
    except OSError as error:
        raise UserError(f"cannot read {folder / FACTS}: {error.strerror or error}") from None
    except ValueError:
        raise UserError(f"{folder / FACTS} is damaged: it does not say what arrays there are") from None
    arrays: dict[str, npt.NDArray] = {name: map_array(folder / f"{name}.npy") for name in facts["content"]}
    for name, content in _content_of(arrays).items():
        if content != facts["content"][name]:
            raise UserError(f"{folder / name}.npy is damaged: it holds other values than were written")
    return arrays, facts


def _content_of(arrays: Mapping[str, npt.NDArray]) -> dict[str, str]:
    return {name: fingerprint_of([np.atleast_1d(array)]) for name, array in arrays.items()}


def _is_whole(folder: Path, facts: Facts) -> bool:
    try:
        return read_arrays(folder)[1] == facts
    except UserError:
        return False
