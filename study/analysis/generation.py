"""The files of a results folder that are of one moment, so that no report is made of two."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from nsh_core.files import write_atomically

# Written last.
RUN_FILE = "run.json"
_PATIENCE_SECONDS = 60
# The first two are for people, and read by nothing here; without the third, reports say what they lack.
_MAY_BE_MISSING = ("trials.csv", "splits.npz", "per_query.parquet")


class Generation:
    """Writes files into a folder and keeps their digests, for run.json, which is written last.

    Args:
        folder: Of the results.

    Attributes:
        digests: File to the SHA-256 of its content.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.digests: dict[str, str] = {}

    def write(self, name: str, content: bytes | str) -> None:
        """Writes a file.

        Args:
            name: Of the file.
            content: Text is written as UTF-8.

        Raises:
            UserError: That is not possible.
        """
        data = content.encode() if isinstance(content, str) else content
        write_atomically(self._folder / name, data)
        self.digests[name] = hashlib.sha256(data).hexdigest()

    def remove(self, name: str) -> None:
        """Removes a file of an earlier generation that this one has not.

        Args:
            name: Of the file.
        """
        (self._folder / name).unlink(missing_ok=True)


def strangers(folder: Path, digests: Mapping[str, str]) -> list[str]:
    """Files that are missing, or are not those that were written with a run.json.

    Args:
        folder: Of the results.
        digests: Of that run.json; none of one that an earlier version wrote.
    """
    found = []
    for name, digest in digests.items():
        path = folder / name
        if not path.exists():
            found += [] if name in _MAY_BE_MISSING else [name]
        elif hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            found.append(name)
    return found


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[Generation]:
    """One process at a time writes a generation, from its look into the storage to its run.json.

    Args:
        folder: Of the results.

    Yields:
        What writes the files.
    """
    with _locked(folder, fcntl.LOCK_EX):
        yield Generation(folder)


@contextlib.contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Nobody writes meanwhile.

    Args:
        folder: Of the results.

    Yields:
        Nothing.

    Raises:
        OSError: There is no such folder.
    """
    with _locked(folder, fcntl.LOCK_SH):
        yield


@contextlib.contextmanager
def _locked(folder: Path, how: int) -> Iterator[None]:
    """Holds the folder. Where that cannot be, as on some network disks or if its holder hangs, digests still tell."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        until = time.monotonic() + _PATIENCE_SECONDS
        with contextlib.suppress(OSError):
            while not _holds(handle, how) and time.monotonic() < until:
                time.sleep(0.02)
        yield
    finally:
        # A fork that is under way would hold what is only closed here.
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_UN)
        os.close(handle)


def _holds(handle: int, how: int) -> bool:
    try:
        fcntl.flock(handle, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
