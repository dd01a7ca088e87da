"""Decodes image files once, into one array on disk that later runs map into memory."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
from filelock import FileLock
from PIL import Image

from nsh_core.cli import progress_bar
from nsh_core.data.dataset import fingerprint_of
from nsh_core.data.places import cache_folder
from nsh_core.errors import UserError
from nsh_core.files import new_array

_LARGEST = 256


def decoded(paths: Sequence[Path]) -> tuple[npt.NDArray[np.uint8], str]:
    """Decodes image files, and keeps them in the cache folder, by path, size and time of change.

    S is the shorter side of the first image, at most 256: images are scaled to that shorter side and cut to the middle
    square.

    Args:
        paths: Of N files.

    Returns:
        Images [N, 3, S, S], mapped into memory, and a fingerprint of them.

    Raises:
        UserError: A file is missing or no image, and named, or the cache cannot be written.
    """
    key = _key(paths)
    folder = cache_folder() / "images" / key
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not (folder / "facts.json").exists():
            _decode_into(folder, paths)
    facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    return np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False), facts["fingerprint"]


def _key(paths: Sequence[Path]) -> str:
    digest = hashlib.sha256(f"{_LARGEST}".encode())
    missing = []
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            missing.append(path)
            continue
        digest.update(f"{path.absolute()}|{status.st_size}|{status.st_mtime_ns}".encode())
    if missing:
        raise UserError(f"{len(missing)} of {len(paths)} images are missing, the first: {missing[0]}")
    return digest.hexdigest()[:24]


def _decode_into(folder: Path, paths: Sequence[Path]) -> None:
    side = min(_LARGEST, *_open(paths[0]).size)
    working = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        array = new_array(working / "images.npy", np.uint8, (len(paths), 3, side, side))

        def decode(place: int) -> None:
            array[place] = _square(_open(paths[place]), side)

        with ThreadPoolExecutor(os.cpu_count()) as pool, progress_bar("decoding") as progress:
            for _ in progress.track(pool.map(decode, range(len(paths))), total=len(paths)):
                pass
        array.flush()
        (working / "facts.json").write_text(json.dumps({"fingerprint": fingerprint_of([array])}))
        os.replace(working, folder)
    except OSError as error:
        raise UserError(f"cannot write decoded images into {folder}: {error.strerror or error}") from None
    finally:
        shutil.rmtree(working, ignore_errors=True)


def _open(path: Path) -> Image.Image:
    try:
        image = Image.open(path)
        image.draft("RGB", (_LARGEST, _LARGEST))
        return image.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"{path} is no readable image: {error}") from None


def _square(image: Image.Image, side: int) -> npt.NDArray[np.uint8]:
    """The middle square [3, side, side] of an image scaled to that shorter side."""
    shorter = min(image.size)
    if shorter != side:
        size = [max(side, round(length * side / shorter)) for length in image.size]
        image = image.resize((size[0], size[1]), Image.Resampling.BICUBIC)
    left, top = ((length - side) // 2 for length in image.size)
    return np.asarray(image.crop((left, top, left + side, top + side))).transpose(2, 0, 1)
