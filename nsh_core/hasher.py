"""A trained hash function."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from pydantic import ValidationError

from nsh_core import arguments
from nsh_core.backbones import trained_backbone
from nsh_core.batches import Batches
from nsh_core.codes import PackedCodes, pack
from nsh_core.config import Config
from nsh_core.data import Split
from nsh_core.data.arrays import as_array
from nsh_core.data.facts import DataFacts
from nsh_core.errors import UserError
from nsh_core.inputs import InputFacts
from nsh_core.model import HashModel
from nsh_core.model_card import write_card
from nsh_core.search import SearchIndex
from nsh_core.search.index import Items, encoded_items
from nsh_core.search.kinds import AUTO
from nsh_core.selection import RESULT, SELECTION
from nsh_core.settings import validation_line
from nsh_core.sorters import backend
from nsh_core.tensor_files import load_tensors, save_tensors

_STEM = "hasher"
FILE = f"{_STEM}.json"
_IMAGE_RANGE = (-0.25, 1.25)  # resampling may overshoot [0, 1]
_MEASURED = ("metrics", "history", "curves", "nearest", "ap", "seconds", "codes_sha256")


class Hasher:
    """Encodes items into packed codes.

    Args:
        config: What it was trained with.
        model: The trained model.
        encoder: "mlp" or "identity", as in the model.
        inputs: What its training items are like; none for images, or for a hasher that an earlier version saved.
        data: The data set that it was trained on; none for a hasher that an earlier version saved.

    Attributes:
        config: What it was trained with.
        model: The trained model.
        inputs: As given.
        data: As given.
        metrics: Its evaluation, name to value.
        history: One mapping an evaluation: epoch, loss terms, val_map.
        curves: Lists by name, e.g. precision by Hamming radius.
        nearest: What a gallery shows, see nsh_core.evaluation.
        ap: AP of each query, see nsh_core.evaluation; empty for a hasher that an earlier version saved.
        seconds: Spent training.
        codes_sha256: Of the packed codes of the database.
    """

    def __init__(
        self,
        config: Config,
        model: HashModel,
        encoder: str,
        inputs: InputFacts | None = None,
        data: DataFacts | None = None,
    ) -> None:
        self.config = config
        self.model = model.eval()
        self.inputs = inputs
        self._encoder = encoder
        self.data = data
        self.metrics: dict[str, float] = {}
        self.history: list[dict[str, float]] = []
        self.curves: dict[str, list[float | None]] = {}
        self.nearest: list[list[int]] = []
        self.ap: dict[str, str] = {}
        self.seconds = 0.0
        self.codes_sha256 = ""

    def __repr__(self) -> str:
        data = "" if self.data is None else f" on {self.data.name}"
        measured = [f"{name} {value:.3f}" for name, value in self.metrics.items() if name in (SELECTION, RESULT)]
        start = f"Hasher {self.config.method.name}{data}: {self.config.code_length} bits"
        return f"{start}, {', '.join(measured) or 'not evaluated'}"

    @property
    def sorter_form(self) -> str:
        """How the sorter ran in training: its level_form, and whether its forward pass was hard; "none" without one."""
        config = self.config
        if not config.sorts:
            return "none"
        form = backend(config.sorter.name).level_form
        return f"{form}, hard forward" if config.sorter.hard_forward else form

    @property
    def dim(self) -> int:
        """D, values of an item or of what the backbone makes of it."""
        return self.model.dim

    @property
    def device(self) -> torch.device:
        """Where it encodes."""
        return self.model.mean.device

    def takes(self) -> str:
        """Which items it encodes, in words."""
        scale = "" if self.inputs is None else f" (in training {self.inputs.in_words()})"
        images = self.model.backbone is not None
        arrays = "images [N, 3, H, W], uint8 or floats in [0, 1]" if images else f"{self.dim} values an item{scale}"
        known = None if self.data is None else self.data.images
        return arrays if known is None else f"{arrays}; image files are {known.in_words()}"

    def digest(self) -> str:
        """Identifies the function from items to codes, 16 hex digits: the same for the same weights."""
        images = None if self.data is None or self.data.images is None else asdict(self.data.images)
        form = (self.config.method.name, self.config.code_length, self._encoder, self.dim, images)
        digest = hashlib.sha256(json.dumps(form).encode())
        for name, tensor in sorted(self.model.state_dict().items()):
            digest.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    def encode(self, items: npt.ArrayLike | torch.Tensor | Split, *, any_scale: bool = False) -> PackedCodes:
        """Encodes items, or a stored split.

        Args:
            items: [N, D]; with a trained backbone images [N, 3, H, W], uint8 or floats in [0, 1].
            any_scale: Encode also items that cannot be of the kind that it was trained on, see check_kind. Splits are
                taken as they are.

        Returns:
            Packed codes uint8 [N, ceil(K / 8)].

        Raises:
            UserError: The items have another shape or scale, or hold something else than finite real numbers.
        """
        if isinstance(items, Split):
            return np.concatenate([self.encode_batch(batch) for batch in items.batches()])
        return np.concatenate([self.encode_batch(batch) for batch in self.batches(items, any_scale=any_scale)])

    def batches(self, items: npt.ArrayLike | torch.Tensor, *, any_scale: bool = False) -> Batches:
        """Items as the hasher takes them, looked through: an array mapped into memory is read a batch at a time.

        Args:
            items: As for encode.
            any_scale: As for encode.

        Raises:
            UserError: As encode.
        """
        array = np.asarray(items) if isinstance(items, np.ndarray) else as_array("'items'", items)
        images = self.model.backbone is not None
        fits = array.ndim == 4 and array.shape[1] == 3 if images else array.ndim == 2 and array.shape[1] == self.dim
        if not fits or array.size == 0:
            wanted = "[N, 3, H, W]" if images else f"[N, {self.dim}]"
            raise UserError(f"'items' must have shape {wanted}, N >= 1, got {list(array.shape)}")
        if array.dtype.kind not in "iuf":
            raise UserError(f"'items' must be real numbers, got {array.dtype}")
        batches = Batches(array)
        if not all(bool(batch.isfinite().all()) for batch in batches):
            raise UserError("'items' hold NaN or infinite values, in float32")
        if not any_scale:
            self.check_kind("'items'", batches)
        return batches

    def check_kind(self, name: str, batches: Iterable[torch.Tensor]) -> None:
        """Refuses items that cannot be of the kind that the hasher was trained on.

        Images, if their values are far outside of [0, 1]; others by InputFacts.admits, if what the training items are
        like is known.

        Args:
            name: What the message calls them.
            batches: float32 [b, D], or images [b, 3, H, W].

        Raises:
            UserError: They cannot.
        """
        if self.model.backbone is not None:
            ends = torch.stack([torch.stack(batch.aminmax()) for batch in batches])
            low, high = float(ends.min()), float(ends.max())
            if low < _IMAGE_RANGE[0] or high > _IMAGE_RANGE[1]:
                raise UserError(
                    f"{name} must be images in uint8, or floats in [0, 1], got values {low:.3g} to {high:.3g}: scale "
                    "them alike, or go on with any_scale (--any-scale)"
                )
        elif self.inputs is not None:
            found = InputFacts.of(batches)
            if not self.inputs.admits(found):
                raise UserError(
                    f"{name} are of another scale than what the hasher was trained on ({found.in_words()}; in training "
                    f"{self.inputs.in_words()}): scale them alike, or go on with any_scale (--any-scale)"
                )

    @torch.no_grad()
    def encode_batch(self, batch: torch.Tensor) -> PackedCodes:
        """Packed codes uint8 [b, ceil(K / 8)] of a batch, which is taken as it is."""
        return pack(self.model.codes(batch.to(self.device)))

    def index(
        self, items: Items, names: Sequence[str] | None = None, *, kind: str = AUTO, any_scale: bool = False
    ) -> SearchIndex:
        """An index of items that are searched by the Hamming distance of their codes.

        Args:
            items: As encode takes them, packed codes, an image of Pillow, or a place of any, or of image files: a
                folder, a list, an array, see nsh_core.search.sources.open_source.
            names: Of the items; those of files are known.
            kind: flat, multihash or hnsw; auto takes the one that suits their number, see
                nsh_core.search.kinds.kind_named.
            any_scale: As for encode.

        Raises:
            UserError: As encode, or a place holds no items, there is not a name for each, or faiss cannot be imported.
        """
        database = encoded_items(self, items, any_scale)
        if names is not None:
            database.names = arguments.names("names", names)
        return SearchIndex.of(self, database, kind)

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
        """Writes hasher.json and its safetensors file, and README.md, a model card.

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
            "inputs": None if self.inputs is None else asdict(self.inputs),
            "data": None if self.data is None else asdict(self.data),
        } | self.measured()
        place = arguments.path("folder", folder)
        save_tensors(place, _STEM, self.model.state_dict(), facts)
        write_card(place, self.config, self.data, self.measured(), self.takes(), self.digest())

    @classmethod
    def load(cls, folder: str | Path) -> Hasher:
        """Reads what save wrote.

        Args:
            folder: As given to save.

        Raises:
            UserError: It is missing or damaged.
        """
        tensors, facts = load_tensors(arguments.path("folder", folder), _STEM, old=True)
        try:
            config = Config.model_validate(facts["config"])
            # The weights of the file replace whatever the backbone starts from.
            image = config.image.model_copy(update={"weights": "random"})
            backbone = trained_backbone(image) if facts["images"] else None
            model = HashModel(config, facts["dim"], facts["encoder"], backbone)
            model.load_state_dict(tensors)
            inputs = facts.get("inputs")
            known = None if inputs is None else InputFacts(**inputs)
            hasher = cls(config, model, facts["encoder"], known, DataFacts.from_json(facts.get("data")))
            hasher.take(facts)
        except ValidationError as error:
            raise UserError(f"{folder} holds a config that does not fit: {validation_line(error, Config)}") from None
        except (KeyError, RuntimeError, TypeError) as error:
            message = " ".join(str(error).split())
            raise UserError(f"{folder} does not hold a hasher of this version: {message}") from None
        return hasher
