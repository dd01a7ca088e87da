"""What training and evaluation see of a data set."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nsh_core.metrics.relevance import Labels

_ROWS = 4096


@dataclass(frozen=True)
class Split:
    """Items [N, D], stored as they came (uint8 or float32, value = scale * stored), and their labels.

    Labels [N] or multi-hot [N, L] serve evaluation only.
    """

    items: npt.NDArray[np.uint8 | np.float32]
    labels: Labels
    scale: float = 1.0

    def __len__(self) -> int:
        return len(self.items)

    def batches(self) -> Iterator[Tensor]:
        """The items as float32 tensors [<= 4096, D], in order."""
        for start in range(0, len(self.items), _ROWS):
            yield scaled(self.items[start : start + _ROWS], self.scale)


def scaled(stored: npt.NDArray[np.uint8 | np.float32], scale: float) -> Tensor:
    """Stored values as a new float32 tensor, times the scale."""
    return torch.from_numpy(stored.astype(np.float32)).mul_(scale)


def moments(values: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and variance [D] of chunks of values [rows, D], summed in double precision."""
    count, total, squares = 0, torch.zeros(()), torch.zeros(())
    for chunk in values:
        double = chunk.double()
        count += len(chunk)
        total = total + double.sum(dim=0)
        squares = squares + double.square().sum(dim=0)
    mean = total / count
    return mean, (squares / count - mean.square()).clamp(min=0)


class Dataset(ABC):
    """Unlabelled training items with views, a database, and validation and test queries.

    name: how to ask for it again. default_map_at: k of mAP@k by the field's convention, none for all.
    encoder: what an encoder "auto" becomes.
    """

    encoder: ClassVar[Literal["mlp", "identity"]]
    default_map_at: ClassVar[int | None]

    def __init__(self, name: str, database: Split, validation: Split, test: Split) -> None:
        self.name = name
        self.database = database
        self.validation = validation
        self.test = test

    @property
    def dim(self) -> int:
        """D, values of an item."""
        return self.database.items.shape[1]

    @property
    @abstractmethod
    def num_train(self) -> int:
        """Number of training items."""

    @abstractmethod
    def views(self, index: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Two random views [b, D] each of the training items `index` [b], float32 on the CPU."""

    @abstractmethod
    def training_values(self) -> Iterator[Tensor]:
        """All training values as float32 [<= rows, D], to fit the standardisation."""

    @cached_property
    def training_moments(self) -> tuple[Tensor, Tensor]:
        """Mean and variance [D] of all training values."""
        return moments(self.training_values())

    @abstractmethod
    def _training_array(self) -> npt.NDArray[np.uint8 | np.float32]:
        """The stored training items, for the fingerprint."""

    def fingerprint(self) -> str:
        """Identifies the content: items, labels and split, 16 hex digits."""
        digest = hashlib.sha256()
        arrays: list[npt.NDArray] = [self._training_array()]
        for split in (self.database, self.validation, self.test):
            arrays += [split.items, split.labels]
        for array in arrays:
            digest.update(f"{array.dtype}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()[:16]
