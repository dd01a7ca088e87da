"""What a search needs of a hasher."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy.typing as npt
import torch

from nsh_core.batches import Batches
from nsh_core.codes import PackedCodes
from nsh_core.config import Config
from nsh_core.data.facts import DataFacts


class Model(Protocol):
    """A hasher, as nsh_core.hasher.Hasher has it."""

    config: Config
    data: DataFacts | None

    @property
    def dim(self) -> int:
        """D, values of an item or of what the backbone makes of it."""

    @property
    def device(self) -> torch.device:
        """Where it encodes."""

    def takes(self) -> str:
        """Which items it encodes, in words."""

    def batches(self, items: npt.ArrayLike | torch.Tensor, *, any_scale: bool = False) -> Batches:
        """Items as it takes them, looked through."""

    def encode_batch(self, batch: torch.Tensor) -> PackedCodes:
        """Packed codes of a batch."""

    def digest(self) -> str:
        """Identifies the function from items to codes."""

    def save(self, folder: str | Path) -> None:
        """Writes it into a folder."""
