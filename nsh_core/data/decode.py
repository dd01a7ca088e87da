"""Decodes image files once, into one array on disk that later runs map into memory."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
from filelock import FileLock
from PIL import Image

from nsh_core.array_files import new_array
from nsh_core.data.fingerprint import fingerprint_of
from nsh_core.data.pixels import LARGEST, as_rgb, middle_square
from nsh_core.data.places import cache_folder
from nsh_core.errors import UserError, in_a_line, is_out_of_memory
from nsh_core.files import status_of


class NoImage(UserError):
    """A file that can be read, but is no image, or is damaged."""


def decoded(paths: Sequence[Path]) -> tuple[npt.NDArray[np.uint8], str]:
    """Decodes image files, and keeps them in the cache folder for as long as none of the files changes.

    S is the shorter side of the first image, at most 256: images are scaled to that shorter side and cut to the middle
    square. All become 8-bit RGB: of 16 bits the higher 8 are kept, as Pillow does for 16-bit colours, and what is
    transparent is laid on white.

    Args:
        paths: Of N files.

    Returns:
        Images [N, 3, S, S], mapped into memory, and a fingerprint of them.

    Raises:
        UserError: A file is missing or no image, and named, or the cache cannot be written.
    """
    key = key_of(paths)
    folder = cache_folder() / "images" / key
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        try:
            return _kept(folder)
        except (OSError, ValueError, KeyError):  # not there, or damaged
            shutil.rmtree(folder, ignore_errors=True)
            _decode_into(folder, paths)
        return _kept(folder)


def _kept(folder: Path) -> tuple[npt.NDArray[np.uint8], str]:
    facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    return np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False), facts["fingerprint"]


def key_of(paths: Sequence[Path]) -> str:
    """Identifies files as they are now.

    The time of change (ctime) is the system's own: unlike the time of modification, no copy and no program sets it
    back, so that a picture that was replaced has another key.

    Args:
        paths: Of the files.

    Returns:
        24 hex digits.

    Raises:
        UserError: A file is missing, or is none.
    """
    digest = hashlib.sha256(f"{LARGEST}".encode())
    missing = []
    for path in paths:
        try:
            status = status_of(path)
        except OSError:
            missing.append(path)
            continue
        times = f"{status.st_mtime_ns}|{status.st_ctime_ns}"
        digest.update(f"{path.absolute()}|{status.st_ino}|{status.st_size}|{times}".encode())
    if missing:
        raise UserError(f"{len(missing)} of {len(paths)} images are missing, the first: {missing[0]}")
    return digest.hexdigest()[:24]


@contextmanager
def warnings_as_a_note() -> Iterator[None]:
    """Collects what Pillow warns of, and prints it as one note.

    Yields:
        Nothing; the block decodes images.
    """
    told: set[str] = set()
    # Of the whole pool: a list of each thread's own there is not, and Pillow does not say which file it means.
    with warnings.catch_warnings(action="always"):
        warnings.showwarning = lambda message, *_: told.add(str(message))
        yield
    if told:
        print(f"note: of some images Pillow says: {' '.join('; '.join(sorted(told)).split())}")


@warnings_as_a_note()
def _decode_into(folder: Path, paths: Sequence[Path]) -> None:
    side = min(LARGEST, *read_image(paths[0]).size)
    working = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        array = new_array(working / "images.npy", np.uint8, (len(paths), 3, side, side))

        def decode(place: int) -> None:
            array[place] = read_square(paths[place], side)

        from nsh_core.progress import progress_bar

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


def read_image(path: Path) -> Image.Image:
    """An image in 8-bit RGB; a JPEG may come smaller than it is, its sides at least 256 pixels or its own.

    Args:
        path: Of the file.

    Raises:
        NoImage: It is none, or is damaged.
        UserError: The file cannot be read.
    """
    try:
        with Image.open(path) as image:
            image.draft("RGB", (LARGEST, LARGEST))
            return as_rgb(image)
    except Exception as error:  # decoders of damaged files raise whatever they stumble over
        if is_out_of_memory(error):
            raise
        if isinstance(error, OSError) and error.errno is not None:
            raise UserError(f"cannot read {path}: {error.strerror}") from None
        raise NoImage(f"{path} is no readable image: {in_a_line(error)}") from None


def read_square(path: Path, side: int) -> npt.NDArray[np.uint8]:
    """The middle square of an image scaled to a shorter side.

    Args:
        path: Of the file.
        side: In pixels.

    Returns:
        [3, side, side].

    Raises:
        NoImage: As read_image, or it is too long and narrow to be scaled.
        UserError: As read_image.
    """
    image = read_image(path)
    try:
        return middle_square(image, side, path)
    except UserError as error:
        raise NoImage(str(error)) from None
