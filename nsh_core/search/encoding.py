"""Encodes items a batch at a time; what is encoded into a file goes on after a kill, to the same bytes."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from filelock import FileLock, Timeout

from nsh_core.array_files import map_array
from nsh_core.codes import PackedCodes
from nsh_core.data.decode import warnings_as_a_note
from nsh_core.errors import UserError
from nsh_core.files import partial_of, write_atomically
from nsh_core.search.beside import names_file, read_facts, write_facts, write_names
from nsh_core.search.model import Model
from nsh_core.search.sources import Source

Progress = Callable[[int], None]

_SAVE_SECONDS = 5
_BYTES_AT_ONCE = 2**22
_STATE, _CODES, _PACKED = "state.json", "codes", "codes.npy"


@dataclass
class Encoded:
    """Codes and what they are of.

    Attributes:
        codes: Packed, uint8 [N, ceil(K / 8)].
        names: Of the items, where they are files.
        root: The folder that those are in.
        unread: Name and reason of each file that is no image, or a damaged one, and has no code.
    """

    codes: PackedCodes
    names: list[str] | None = None
    root: Path | None = None
    unread: dict[str, str] = field(default_factory=dict)


def encoded(source: Source, on_progress: Progress | None = None) -> Encoded:
    """Encodes items into memory.

    Args:
        source: Of the items.
        on_progress: Called with the number of items that are done.

    Raises:
        UserError: Items cannot be read, or do not suit the hasher.
    """
    codes: list[PackedCodes] = []
    unread: dict[int, str] = {}
    with warnings_as_a_note():
        for batch in source.code_batches():
            unread |= batch.unread
            codes += [batch.codes] if len(batch.codes) else []
            if on_progress is not None:
                on_progress(batch.done)
    return _named(source, np.concatenate(codes) if codes else None, unread)


def _named(source: Source, codes: PackedCodes | None, unread: dict[int, str]) -> Encoded:
    if codes is None:
        reason = next(iter(unread.values()))
        raise UserError(f"none of the {len(source)} images in {source.where}: {reason}" if len(source) > 1 else reason)
    if source.names is None:
        return Encoded(codes)
    names = [name for place, name in enumerate(source.names) if place not in unread]
    left_out = {source.names[place]: reason for place, reason in unread.items()}
    return Encoded(codes, names, source.root, left_out)


def encode_to(out: Path, source: Source, model: Model, on_progress: Progress | None = None) -> Encoded:
    """Encodes items into a .npy file, beside which lie .facts.json and, for files, their names as .names.txt.

    Work in progress lies in `out`.partial; the same call goes on there, to the same bytes. Where `out` is what it
    would come to, nothing is done.

    Args:
        out: The file; one that is there is replaced at the end.
        source: Of the items.
        model: That the source encodes them with.
        on_progress: Called with the number of items that are done.

    Returns:
        The codes, mapped into memory.

    Raises:
        UserError: As encoded, or files cannot be written, or hold another work in progress.
    """
    if out.suffix != ".npy":
        raise UserError(f"codes are written as a file that ends in .npy, got {out}")
    facts = {
        "model": model.digest(),
        "bits": model.config.code_length,
        "device": model.device.type,
        "items": source.key,
        "count": len(source),
    }
    known = read_facts(out) or {}
    if known.items() >= facts.items():
        return _named(source, map_array(out), {int(place): reason for place, reason in known["unread"].items()})
    try:
        with _alone(partial_of(out)) as folder:
            work = _Work(folder, facts)
            work.run(source, on_progress)
            done = _named(source, work.packed(), work.unread)
            if done.names is not None:
                write_names(names_file(out), done.names)
            os.replace(folder / _PACKED, out)
            root = None if done.root is None else str(done.root.absolute())
            write_facts(out, facts | {"root": root, "unread": work.unread})
            shutil.rmtree(folder)
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror or error}") from None
    return done


@contextmanager
def _alone(folder: Path) -> Iterator[Path]:
    """The folder of a work in progress, for one process at a time."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / "lock", timeout=0):
            yield folder
    except Timeout:
        raise UserError(f"another command works in {folder}: wait for it, or choose another file") from None


class _Work:
    """Codes under way: a file that grows, and how many items are done."""

    def __init__(self, folder: Path, facts: dict[str, Any]) -> None:
        self._folder, self._facts = folder, facts
        self._width = -(-facts["bits"] // 8)
        self._done, self._rows = 0, 0
        self.unread: dict[int, str] = {}
        if (folder / _STATE).exists():
            state = json.loads((folder / _STATE).read_text(encoding="utf-8"))
            other = [name for name in facts if state["facts"].get(name) != facts[name]]
            if other:
                told = ", ".join(other)
                raise UserError(f"{folder} holds work with another {told}: remove it, or choose another file")
            self._done, self._rows = state["done"], state["rows"]
            self.unread = {int(place): reason for place, reason in state["unread"].items()}

    def run(self, source: Source, on_progress: Progress | None) -> None:
        """Encodes what is not done yet."""
        with (self._folder / _CODES).open("ab") as file, warnings_as_a_note():
            file.truncate(self._rows * self._width)  # what a kill left behind the last state
            saved = time.monotonic()
            for batch in source.code_batches(self._done):
                file.write(batch.codes.tobytes())
                self._done, self._rows = batch.done, self._rows + len(batch.codes)
                self.unread |= batch.unread
                if time.monotonic() - saved > _SAVE_SECONDS:
                    self._save(file)
                    saved = time.monotonic()
                if on_progress is not None:
                    on_progress(self._done)
            self._save(file)

    def _save(self, file: IO[bytes]) -> None:
        file.flush()
        os.fsync(file.fileno())
        state = {"facts": self._facts, "done": self._done, "rows": self._rows, "unread": self.unread}
        write_atomically(self._folder / _STATE, json.dumps(state))

    def packed(self) -> PackedCodes | None:
        """The codes as a .npy file, mapped into memory; none where no item could be read."""
        if self._rows == 0:
            return None
        header = {"descr": "|u1", "fortran_order": False, "shape": (self._rows, self._width)}
        with (self._folder / _CODES).open("rb") as codes, (self._folder / _PACKED).open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            shutil.copyfileobj(codes, file, _BYTES_AT_ONCE)
            file.flush()
            os.fsync(file.fileno())
        return map_array(self._folder / _PACKED)
