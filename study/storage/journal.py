"""Optuna's journal file, made to survive a write that was cut short."""

from __future__ import annotations

import os
from typing import Any

from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from typing_extensions import override


class JournalFile(JournalFileBackend):
    """A line an operation. A kill or a full disk can leave half of a last line, on which Optuna would append the next.

    Readers pass over such a rest; here the next writer, who holds the lock, cuts it off.

    Args:
        path: Of the file.
    """

    def __init__(self, path: str) -> None:
        self._mending = _MendingLock(path)
        super().__init__(path, self._mending)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Writes operations; what a full disk leaves of them is taken away again.

        Args:
            logs: A mapping an operation.

        Raises:
            OSError: The file cannot be written.
        """
        try:
            super().append_logs(logs)
        except OSError:
            # The room that a half-written line takes is given back.
            self._mending.acquire()
            self._mending.release()
            raise


class _MendingLock(JournalFileSymlinkLock):
    """The lock of Optuna (and its dashboard), which cuts off half a last line once it is held."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._path = path

    @override
    def acquire(self) -> bool:
        held = super().acquire()
        try:
            _cut(self._path)
        except BaseException:
            self.release()
            raise
        return held


def _cut(path: str) -> None:
    """Removes what follows the last line end of a file."""
    with open(path, "rb+") as file:
        end = file.seek(0, os.SEEK_END)
        kept = end
        while kept:
            start = max(0, kept - 65536)
            file.seek(start)
            place = file.read(kept - start).rfind(b"\n")
            if place >= 0:
                kept = start + place + 1
                break
            kept = start
        if kept < end:
            file.truncate(kept)
