"""Optuna's journal file, made to survive a write that was cut short."""

from __future__ import annotations

import os
from typing import Any

from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock


class JournalFile(JournalFileBackend):
    """A line an operation. A kill or a full disk can leave half of a last line, on which Optuna would append the next.

    Readers pass over such a rest; here the next writer, who holds the lock, cuts it off.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path, _MendingLock(path))

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        try:
            super().append_logs(logs)
        except OSError:
            # The room that a half-written line takes is given back.
            self._lock.acquire()
            self._lock.release()
            raise


class _MendingLock(JournalFileSymlinkLock):
    """The lock of Optuna (and its dashboard), which cuts off half a last line once it is held."""

    def acquire(self) -> bool:
        held = super().acquire()
        try:
            _cut(self._lock_target_file)
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
