"""Tensors as safetensors beside facts as JSON; no pickle."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from nsh_core.errors import UserError
from nsh_core.files import status_of, write_atomically

_DIGEST = "sha256"


class Damaged(UserError):
    """Files that are there, but not as they were saved."""


def save_tensors(folder: Path, stem: str, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Writes `stem`.json and the tensors file that it names; the JSON comes last, with a digest of both.

    Args:
        folder: Made if it is not there.
        stem: Of both names.
        tensors: By name.
        facts: What JSON can hold; `epoch`, if there is one, goes into the name of the tensors file.

    Raises:
        UserError: The folder cannot be written into.
    """
    tensor_file = f"{stem}-{facts.get('epoch', 'final')}.safetensors"
    ready = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    content = safetensors.torch.save(ready)
    known = json.loads(json.dumps(facts | {"tensors": tensor_file}))
    write_atomically(folder / tensor_file, content)
    write_atomically(folder / f"{stem}.json", json.dumps(known | {_DIGEST: _digest(known, content)}, indent=1))
    for old in folder.glob(f"{stem}-*.safetensors"):
        if old.name != tensor_file:
            old.unlink(missing_ok=True)


def load_tensors(folder: Path, stem: str, *, old: bool = False) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Reads what save_tensors wrote.

    Args:
        folder: As given to save_tensors.
        stem: As given to save_tensors.
        old: Whether files without a digest are taken too, as earlier versions wrote them.

    Returns:
        Tensors by name, and the facts.

    Raises:
        Damaged: They are not what was saved.
        UserError: They are missing or cannot be read.
    """
    path = folder / f"{stem}.json"
    try:
        status_of(path)
        facts = json.loads(path.read_text(encoding="utf-8"))
        file = folder / Path(facts["tensors"]).name
        if not file.exists():
            raise Damaged(f"{path} tells of {file.name}, which is missing")
        status_of(file)
        content = file.read_bytes()
        saved = facts.pop(_DIGEST, None)
        if saved != _digest(facts, content) and not (old and saved is None):
            raise Damaged(f"{path} or {file.name} is not what was saved: it is damaged, or was altered")
        tensors = safetensors.torch.load(content)
    except OSError as error:
        raise UserError(f"cannot read {error.filename or path}: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, SafetensorError) as error:
        raise Damaged(f"{path} is no checkpoint of this project or is damaged: {error}") from None
    return tensors, facts


def _digest(facts: dict[str, Any], content: bytes) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode() + content).hexdigest()
