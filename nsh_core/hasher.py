"""A trained hash function."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from pydantic import ValidationError

from nsh_core.backbones import trained_backbone
from nsh_core.codes import PackedCodes, pack
from nsh_core.config import Config
from nsh_core.data import Split
from nsh_core.data.dataset import batch_of_images
from nsh_core.errors import UserError
from nsh_core.model import HashModel
from nsh_core.registry import METHODS
from nsh_core.settings import validation_line
from nsh_core.sorters import backend
from nsh_core.tensor_files import load_tensors, save_tensors

_ROWS = 4096
_MEASURED = ("metrics", "history", "curves", "nearest", "ap", "seconds", "codes_sha256")


class Hasher:
    """Encodes items into packed codes.

    Args:
        config: What it was trained with.
        model: The trained model.
        encoder: "mlp" or "identity", as in the model.

    Attributes:
        config: What it was trained with.
        model: The trained model.
        metrics: Its evaluation, name to value.
        history: One mapping an evaluation: epoch, loss terms, val_map.
        curves: Lists by name, e.g. precision by Hamming radius.
        nearest: What a gallery shows, see nsh_core.evaluation.
        ap: AP of each query, see nsh_core.evaluation; empty for a hasher that an earlier version saved.
        seconds: Spent training.
        codes_sha256: Of the packed codes of the database.
    """

    def __init__(self, config: Config, model: HashModel, encoder: str) -> None:
        self.config = config
        self.model = model.eval()
        self._encoder = encoder
        self.metrics: dict[str, float] = {}
        self.history: list[dict[str, float]] = []
        self.curves: dict[str, list[float | None]] = {}
        self.nearest: list[list[int]] = []
        self.ap: dict[str, str] = {}
        self.seconds = 0.0
        self.codes_sha256 = ""

    @property
    def sorter_form(self) -> str:
        """How the sorter ran in training: on "levels", as a "network", "hard" or "dense"; "none" for other methods."""
        config = self.config
        if not METHODS[config.method.name].sorts or config.loss.surrogate != "sorted_nce":
            return "none"
        form = backend(config.sorter.name).level_form
        return f"{form}, hard forward" if config.sorter.hard_forward else form

    @property
    def dim(self) -> int:
        """D, values of an item or of what the backbone makes of it."""
        return self.model.dim

    def encode(self, items: npt.ArrayLike | torch.Tensor | Split) -> PackedCodes:
        """Encodes items, or a stored split.

        Args:
            items: [N, D]; with a trained backbone images [N, 3, H, W], uint8 or floats in [0, 1].

        Returns:
            Packed codes uint8 [N, ceil(K / 8)].

        Raises:
            ValueError: The items have another shape, or hold NaN or infinite values.
        """
        if isinstance(items, Split):
            return np.concatenate([self._encode_batch(batch) for batch in items.batches()])
        values = torch.as_tensor(items)
        images = self.model.backbone is not None
        fits = values.ndim == 4 and values.shape[1] == 3 if images else values.ndim == 2 and values.shape[1] == self.dim
        if not fits or len(values) == 0:
            wanted = "[N, 3, H, W]" if images else f"[N, {self.dim}]"
            raise ValueError(f"'items' must have shape {wanted}, N >= 1, got {list(values.shape)}")
        if not values.isfinite().all():
            raise ValueError("'items' hold NaN or infinite values")
        scale = 1 / 255 if images and values.dtype == torch.uint8 else 1
        rows = batch_of_images(tuple(values.shape)) if images else _ROWS
        return np.concatenate([self._encode_batch(batch.float() * scale) for batch in values.split(rows)])

    @torch.no_grad()
    def _encode_batch(self, batch: torch.Tensor) -> PackedCodes:
        return pack(self.model.codes(batch.to(self.model.mean.device)))

    def measured(self) -> dict[str, Any]:
        """What training and evaluation found out, by name."""
        return {name: getattr(self, name) for name in _MEASURED}

    def take(self, measured: dict[str, Any]) -> None:
        """Takes over what `measured` gave.

        Args:
            measured: By name.

        Raises:
            KeyError: Something is missing.
        """
        measured = {"ap": {}} | measured
        for name in _MEASURED:
            setattr(self, name, measured[name])

    def save(self, folder: str | Path) -> None:
        """Writes hasher.json and its safetensors file.

        Args:
            folder: Made if it is not there.

        Raises:
            UserError: The folder cannot be written into.
        """
        facts: dict[str, Any] = {
            "config": self.config.model_dump(mode="json"),
            "encoder": self._encoder,
            "dim": self.dim,
            "images": self.model.backbone is not None,
        } | self.measured()
        save_tensors(Path(folder), "hasher", self.model.state_dict(), facts)

    @classmethod
    def load(cls, folder: str | Path) -> Hasher:
        """Reads what save wrote.

        Args:
            folder: As given to save.

        Raises:
            UserError: It is missing or damaged.
        """
        tensors, facts = load_tensors(Path(folder), "hasher")
        try:
            config = Config.model_validate(facts["config"])
            # The weights of the file replace whatever the backbone starts from.
            image = config.image.model_copy(update={"weights": "random"})
            backbone = trained_backbone(image) if facts["images"] else None
            model = HashModel(config, facts["dim"], facts["encoder"], backbone)
            model.load_state_dict(tensors)
            hasher = cls(config, model, facts["encoder"])
            hasher.take(facts)
        except ValidationError as error:
            raise UserError(f"{folder} holds a config that does not fit: {validation_line(error, Config)}") from None
        except (KeyError, RuntimeError, TypeError) as error:
            message = " ".join(str(error).split())
            raise UserError(f"{folder} does not hold a hasher of this version: {message}") from None
        return hasher
