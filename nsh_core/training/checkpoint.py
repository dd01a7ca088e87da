"""Checkpoints of a run: its progress, its model, its optimizer and what its method remembers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import inf
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nsh_core.distributed import from_first
from nsh_core.errors import UserError
from nsh_core.tensor_files import Damaged, load_tensors, save_tensors

_STEM = "checkpoint"


@dataclass
class Progress:
    """What changes as a run goes on, but for weights: saved and restored as a whole.

    All randomness of an epoch comes from a generator seeded by the run's seed and the epoch, so that no generator has
    to be kept.

    Attributes:
        epoch: Epochs that are over.
        best: Highest validation mAP so far.
        evaluations_since_best: How many evaluations have not beaten it.
        means: Mean of each loss term, one value for each epoch since the last evaluation.
        history: One mapping an evaluation: epoch, val_map, loss terms.
        seconds: Spent training.
        memory: What the method remembers, by name: this run's rows of DeepMethod.state.
    """

    epoch: int = 0
    best: float = -inf
    evaluations_since_best: int = 0
    means: dict[str, list[float]] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0
    memory: dict[str, Tensor] = field(default_factory=dict)


def save(
    folder: Path, identity: Mapping[str, str], progress: Progress, model: nn.Module, optimizer: torch.optim.Optimizer
) -> None:
    """Writes a checkpoint, replacing an earlier one.

    Args:
        folder: Of the run.
        identity: What a run must share to go on from here.
        progress: Of the run.
        model: Of the run.
        optimizer: Of the run; any number of parameter groups, whose options are not kept.

    Raises:
        UserError: The folder cannot be written into.
    """
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    for index, kept in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in kept.items()}
    tensors |= {f"memory.{name}": value for name, value in progress.memory.items()}
    facts: dict[str, Any] = {name: value for name, value in asdict(progress).items() if name != "memory"}
    save_tensors(folder, _STEM, tensors, dict(identity) | facts)


def restore(
    folder: Path, identity: Mapping[str, str], model: nn.Module, optimizer: torch.optim.Optimizer
) -> Progress | None:
    """Puts the tensors of a checkpoint back; one that is damaged is set aside, since a run can start over.

    Args:
        folder: As given to save.
        identity: As given to save.
        model: Of the same shapes.
        optimizer: Of the same parameters.

    Returns:
        The progress; none where there is no checkpoint, or a damaged one.

    Raises:
        UserError: The checkpoint is another run's, or cannot be read.
    """
    if not from_first(lambda: _is_sound(folder)):
        return None
    tensors, facts = load_tensors(folder, _STEM)
    for name, value in identity.items():
        if facts.get(name) != value:
            raise UserError(
                f"{folder} holds a checkpoint of another {name} ({facts.get(name)}, this run: {value}): "
                "choose another folder"
            )
    model.load_state_dict(_under("model", tensors))
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in _under("optimizer", tensors).items():
        place, own = key.split(".", 1)
        state.setdefault(int(place), {})[own] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    known = {name: facts[name] for name in Progress.__dataclass_fields__ if name in facts}
    return Progress(**known, memory=_under("memory", tensors))


def _is_sound(folder: Path) -> bool:
    """Whether there is a checkpoint; one that is damaged is set aside."""
    file = folder / f"{_STEM}.json"
    if not file.exists():
        return False
    try:
        load_tensors(folder, _STEM)
    except Damaged as error:
        try:
            for path in (file, *folder.glob(f"{_STEM}-*.safetensors")):
                path.replace(f"{path}.damaged")
        except OSError as refusal:
            raise UserError(f"{error}; it cannot be set aside: {refusal.strerror or refusal}") from None
        print(f"note: {error}; it is set aside as {file.name}.damaged, and the run starts over")
        return False
    return True


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names start so, without it."""
    start = f"{prefix}."
    return {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}
