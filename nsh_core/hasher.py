"""A trained hash function."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from pydantic import ValidationError

from nsh_core.checkpoint import load_tensors, save_tensors
from nsh_core.codes import PackedCodes, pack
from nsh_core.config import Config, validation_line
from nsh_core.data import Split
from nsh_core.errors import UserError
from nsh_core.model import HashModel
from nsh_core.sorters import backend

_ROWS = 4096


class Hasher:
    """Encodes items into packed codes.

    config: what it was trained with. metrics: its evaluation, name to value. history: one mapping an evaluation
    (epoch, loss terms, val_map). curves: lists by name, e.g. precision by Hamming radius. seconds: spent training.
    """

    def __init__(self, config: Config, model: HashModel, encoder: str) -> None:
        self.config = config
        self.model = model.eval()
        self._encoder = encoder
        self.metrics: dict[str, float] = {}
        self.history: list[dict[str, float]] = []
        self.curves: dict[str, list[float | None]] = {}
        self.seconds = 0.0

    @property
    def sorter_form(self) -> str:
        """How the sorter ran in training: on "levels" of binary codes, as a "network", "hard" or "dense"."""
        return backend(self.config.sorter.name).level_form

    @property
    def dim(self) -> int:
        """D, values of an item."""
        return len(self.model.mean)

    def encode(self, items: npt.ArrayLike | torch.Tensor | Split) -> PackedCodes:
        """Packed codes uint8 [N, ceil(K / 8)] of items [N, D], or of a stored split.

        Raises ValueError for another shape and for NaN or infinite values.
        """
        if isinstance(items, Split):
            return np.concatenate([self._encode_batch(batch) for batch in items.batches()])
        values = torch.as_tensor(items)
        if values.ndim != 2 or values.shape[1] != self.dim or len(values) == 0:
            raise ValueError(f"'items' must have shape [N, {self.dim}], N >= 1, got {list(values.shape)}")
        if not values.isfinite().all():
            raise ValueError("'items' hold NaN or infinite values")
        return np.concatenate([self._encode_batch(batch.float()) for batch in values.split(_ROWS)])

    @torch.no_grad()
    def _encode_batch(self, batch: torch.Tensor) -> PackedCodes:
        return pack(self.model.codes(batch.to(self.model.mean.device)))

    def save(self, folder: str | Path) -> None:
        """Writes hasher.json and its safetensors file into a folder."""
        facts: dict[str, Any] = {
            "config": self.config.model_dump(mode="json"),
            "encoder": self._encoder,
            "dim": self.dim,
            "metrics": self.metrics,
            "history": self.history,
            "curves": self.curves,
            "seconds": self.seconds,
        }
        save_tensors(Path(folder), "hasher", self.model.state_dict(), facts)

    @classmethod
    def load(cls, folder: str | Path) -> Hasher:
        """Reads what save wrote. Raises UserError if it is missing or damaged."""
        tensors, facts = load_tensors(Path(folder), "hasher")
        try:
            config = Config.model_validate(facts["config"])
            model = HashModel(config.model, facts["dim"], config.code_length, facts["encoder"])
            model.load_state_dict(tensors)
            hasher = cls(config, model, facts["encoder"])
            hasher.metrics, hasher.history = facts["metrics"], facts["history"]
            hasher.curves, hasher.seconds = facts["curves"], facts["seconds"]
        except ValidationError as error:
            raise UserError(f"{folder} holds a config that does not fit: {validation_line(error)}") from None
        except (KeyError, RuntimeError, TypeError) as error:
            message = " ".join(str(error).split())
            raise UserError(f"{folder} does not hold a hasher of this version: {message}") from None
        return hasher
