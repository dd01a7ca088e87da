"""Checkpoints: tensors as safetensors, the rest as JSON; no pickle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from nsh_core.errors import UserError
from nsh_core.files import write_atomically


def save_tensors(folder: Path, stem: str, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Writes `stem`.json and the tensors file that it names; the JSON comes last and makes the pair valid."""
    tensor_file = f"{stem}-{facts.get('epoch', 'final')}.safetensors"
    ready = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_atomically(folder / tensor_file, safetensors.torch.save(ready))
    write_atomically(folder / f"{stem}.json", json.dumps(facts | {"tensors": tensor_file}, indent=1))
    for old in folder.glob(f"{stem}-*.safetensors"):
        if old.name != tensor_file:
            old.unlink(missing_ok=True)


def load_tensors(folder: Path, stem: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and facts written by save_tensors. Raises UserError if they are missing or damaged."""
    path = folder / f"{stem}.json"
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        tensors = safetensors.torch.load((folder / Path(facts["tensors"]).name).read_bytes())
    except OSError as error:
        raise UserError(f"cannot read {error.filename or path}: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, SafetensorError) as error:
        raise UserError(f"{path} is no checkpoint of this project or is damaged: {error}") from None
    return tensors, facts


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The state of an optimizer of one parameter group, flat by name."""
    return {
        f"optimizer.{index}.{name}": value
        for index, state in optimizer.state_dict()["state"].items()
        for name, value in state.items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Puts the tensors of optimizer_tensors back."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        _, index, name = key.split(".", 2)
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
