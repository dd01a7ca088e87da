"""What lies beside a .npy file of codes: names of what was encoded, and facts that tell of what and by which model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nsh_core.files import write_atomically

_DIGEST = "sha256"


def digest_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_names(path: Path, names: Iterable[str]) -> None:
    """Writes names, a line each; bytes that are no UTF-8 stay as they are in the file system.

    Args:
        path: Of the file.
        names: Without line breaks.

    Raises:
        UserError: That is not possible.
    """
    write_atomically(path, "".join(f"{name}\n" for name in names).encode("utf-8", "surrogateescape"))


def read_names(path: Path) -> list[str]:
    """What write_names wrote.

    Raises:
        OSError: The file cannot be read.
    """
    return path.read_bytes().decode("utf-8", "surrogateescape").split("\n")[:-1]


def names_file(codes: Path) -> Path:
    """Where the names are."""
    return codes.with_suffix(".names.txt")


def facts_file(codes: Path) -> Path:
    """Where the facts are."""
    return codes.with_suffix(".facts.json")


def write_facts(codes: Path, facts: dict[str, Any]) -> None:
    """Writes facts of a file of codes, with a digest of it.

    Args:
        codes: The file, as it will stay.
        facts: What JSON can hold.

    Raises:
        UserError: That is not possible.
    """
    write_atomically(facts_file(codes), json.dumps(facts | {_DIGEST: digest_of(codes)}, indent=1))


def read_facts(codes: Path) -> dict[str, Any] | None:
    """What write_facts wrote; none where there is nothing, or what is there is not of these codes.

    Args:
        codes: The file.
    """
    try:
        facts = json.loads(facts_file(codes).read_text(encoding="utf-8"))
        return facts if facts[_DIGEST] == digest_of(codes) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
