"""Tensors as safetensors beside facts as JSON; no pickle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from nsh_core.errors import UserError
from nsh_core.files import write_atomically


def save_tensors(folder: Path, stem: str, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Writes `stem`.json and the tensors file that it names; the JSON comes last and makes the pair valid.

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
    write_atomically(folder / tensor_file, safetensors.torch.save(ready))
    write_atomically(folder / f"{stem}.json", json.dumps(facts | {"tensors": tensor_file}, indent=1))
    for old in folder.glob(f"{stem}-*.safetensors"):
        if old.name != tensor_file:
            old.unlink(missing_ok=True)


def load_tensors(folder: Path, stem: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Reads what save_tensors wrote.

    Args:
        folder: As given to save_tensors.
        stem: As given to save_tensors.

    Returns:
        Tensors by name, and the facts.

    Raises:
        UserError: The files are missing or damaged.
    """
    path = folder / f"{stem}.json"
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        tensors = safetensors.torch.load((folder / Path(facts["tensors"]).name).read_bytes())
    except OSError as error:
        raise UserError(f"cannot read {error.filename or path}: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, SafetensorError) as error:
        raise UserError(f"{path} is no checkpoint of this project or is damaged: {error}") from None
    return tensors, facts
