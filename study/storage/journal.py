"""Optuna's journal file, made to survive a write that was cut short and to notice what changed after it was written."""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from typing_extensions import override

from study.storage.optuna_internals import JournalOperation

_CHECK = re.compile(rb',"check":"([0-9a-f]{8})"\}$')
# What each of Optuna's operations cannot do without.
_OPERATIONS: dict[int, set[str]] = {
    JournalOperation.CREATE_STUDY: {"study_name", "directions"},
    JournalOperation.DELETE_STUDY: {"study_id"},
    JournalOperation.SET_STUDY_USER_ATTR: {"study_id", "user_attr"},
    JournalOperation.SET_STUDY_SYSTEM_ATTR: {"study_id", "system_attr"},
    JournalOperation.CREATE_TRIAL: {"study_id", "datetime_start"},
    JournalOperation.SET_TRIAL_PARAM: {"trial_id", "param_name", "param_value_internal", "distribution"},
    JournalOperation.SET_TRIAL_STATE_VALUES: {"trial_id", "state", "values"},
    JournalOperation.SET_TRIAL_INTERMEDIATE_VALUE: {"trial_id", "step", "intermediate_value"},
    JournalOperation.SET_TRIAL_USER_ATTR: {"trial_id", "user_attr"},
    JournalOperation.SET_TRIAL_SYSTEM_ATTR: {"trial_id", "system_attr"},
}


class DamagedLine(ValueError):
    """A line of a journal that is not what was written.

    Args:
        reason: What is wrong with it.
    """


class JournalFile(JournalFileBackend):
    """A line an operation, each with a checksum, which Optuna and its dashboard pass over as they pass over ours.

    A kill or a full disk can leave half of a last line, on which Optuna would append the next. Readers pass over such a
    rest; here the next writer, who holds the lock, cuts it off. Lines that others wrote have no checksum.

    Args:
        path: Of the file.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._mending = _MendingLock(path)
        # How many lines end before a place in the file.
        self._read = 0, 0
        super().__init__(path, self._mending)

    @override
    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        """Reads operations.

        Args:
            log_number_from: How many are known.

        Yields:
            The following ones.

        Raises:
            DamagedLine: One is not what was written.
        """
        number, place = self._read if self._read[0] == log_number_from else (0, 0)
        with open(self._path, "rb") as file:
            file.seek(place)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                number, place = number + 1, place + len(line)
                self._read = number, place
                if number > log_number_from:
                    try:
                        operation = operation_of(line)
                    except DamagedLine as damage:
                        raise DamagedLine(f"line {number} {damage}") from None
                    yield operation

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Writes operations; what a full disk leaves of them is taken away again.

        Args:
            logs: A mapping an operation.

        Raises:
            OSError: The file cannot be written.
        """
        try:
            super().append_logs([{**log, "check": check_of(log)} for log in logs])
        except OSError:
            # The room that a half-written line takes is given back.
            self._mending.acquire()
            self._mending.release()
            raise

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keeps every writer out.

        Yields:
            Nothing; the block may replace the file.
        """
        self._mending.acquire()
        try:
            yield
        finally:
            self._mending.release()


def check_of(operation: Mapping[str, Any]) -> str:
    """The checksum of an operation as Optuna writes it: CRC-32, 8 hexadecimal digits.

    Args:
        operation: Without one.
    """
    return f"{zlib.crc32(_written(operation)):08x}"


def line_of(operation: Mapping[str, Any]) -> bytes:
    """An operation as a line of a journal.

    Args:
        operation: Without checksum.
    """
    return _written({**operation, "check": check_of(operation)}) + b"\n"


def _written(operation: Mapping[str, Any]) -> bytes:
    return json.dumps(operation, separators=(",", ":")).encode()


def operation_of(line: bytes) -> dict[str, Any]:
    """Reads a line of a journal.

    Args:
        line: With its end.

    Raises:
        DamagedLine: It is no operation, or not the one that its checksum is of.
    """
    text = line.rstrip(b"\r\n")
    check = _CHECK.search(text)
    if check is not None and zlib.crc32(text[: check.start()] + b"}") != int(check[1], 16):
        raise DamagedLine("is not what its checksum is of")
    try:
        operation = json.loads(text)
    except ValueError as error:
        raise DamagedLine(f"cannot be read ({error})") from None
    code = operation.get("op_code") if isinstance(operation, dict) else None
    if not isinstance(code, int) or not _OPERATIONS.get(code, {"op_code?"}) <= set(operation):
        raise DamagedLine("is no operation of Optuna's")
    return operation


class _MendingLock(JournalFileSymlinkLock):
    """The lock of Optuna (and its dashboard), which cuts off half a last line once it is held."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._path = path
        self._held: tuple[int, int] | None = None

    @override
    def acquire(self) -> bool:
        self._held = None
        held = super().acquire()
        self._held = self._mark()
        try:
            _cut(self._path)
        except BaseException:
            self.release()
            raise
        return held

    @override
    def release(self) -> None:
        held, self._held = self._held, None
        # Whoever was stopped for longer than others wait has nothing to give back: the lock is another's by now.
        if held is not None and self._mark() != held:
            return
        try:
            super().release()
        except RuntimeError as error:
            # Optuna looks for it where it takes a lock from a dead process; else it would pass for one of training.
            if held is None:
                raise
            raise OSError(f"the lock of {self._path} was not given back: {error.__context__ or error}") from None

    def _mark(self) -> tuple[int, int] | None:
        """What tells a lock from others of its name; none where there is none."""
        try:
            link = os.lstat(self._lock_file)
        except FileNotFoundError:
            return None
        return link.st_ino, link.st_ctime_ns


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
