"""What training and evaluation see of a data set."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nsh_core.arguments import path
from nsh_core.data.colour import in_colour
from nsh_core.data.fingerprint import fingerprint_of
from nsh_core.data.moments import moments
from nsh_core.data.neighbors import nearest_items
from nsh_core.data.stored import write_arrays
from nsh_core.errors import UserError
from nsh_core.inputs import ImageFacts, InputFacts
from nsh_core.metrics.relevance import Labels, one_label_each

Stored = npt.NDArray[np.uint8 | np.float16 | np.float32]

_ROWS = 4096


@dataclass(frozen=True)
class Split:
    """Items and their labels, which serve evaluation only.

    Attributes:
        items: As they came (uint8 or floats, value = scale * stored), [N, D] or images [N, C, H, W]; C is 3, or 1 for
            grey.
        labels: [N] or multi-hot [N, L]; a single column [N, 1] is one label each, and becomes [N].
        scale: Of a stored value.
        index: Which rows of `items` they are [N], none for all; so that splits can share one array, which may lie on
            disk.

    Raises:
        UserError: There are more labels than items, or fewer.
    """

    items: Stored
    labels: Labels
    scale: float = 1.0
    index: npt.NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        count = len(self.items if self.index is None else self.index)
        if len(self.labels) != count:
            raise UserError(f"a split must have as many labels as items, got {len(self.labels)} and {count}")
        object.__setattr__(self, "labels", one_label_each(self.labels))

    def __len__(self) -> int:
        return len(self.labels)

    def rows(self, which: slice | npt.NDArray[np.int64]) -> Stored:
        """Stored items by position."""
        return self.items[which if self.index is None else self.index[which]]

    def batches(self) -> Iterator[Tensor]:
        """The items in order, at most 4096 of them (of images fewer) at a time.

        Yields:
            float32 [b, D] or images [b, 3, H, W].
        """
        size = _ROWS if self.items.ndim == 2 else batch_of_images(self.items.shape)
        for start in range(0, len(self), size):
            batch = scaled(self.rows(slice(start, start + size)), self.scale)
            yield batch if batch.ndim == 2 else in_colour(batch)


def batch_of_images(shape: tuple[int, ...]) -> int:
    """How many images [N, C, H, W] to work on at once: at most 256, and about four million values."""
    return max(1, min(256, 2**22 // math.prod(shape[1:])))


def scaled(stored: Stored, scale: float) -> Tensor:
    """Stored values as a new float32 tensor, times the scale; infinite where float32 does not reach."""
    with np.errstate(over="ignore"):
        return torch.from_numpy(stored.astype(np.float32)).mul_(scale)


class Dataset(ABC):
    """Unlabelled training items with views, a database, and validation and test queries.

    Attributes:
        encoder: What an encoder "auto" becomes.
        default_map_at: k of mAP@k by the field's convention, none for all.
        steps_of_views: Of so many steps views are drawn at once.
        loaded_as: What load_dataset was asked for, none where it came otherwise.
        image_facts: How images become its items, where they do and it is known.
        labelled: Whether its labels may be looked at; see nsh_core.data.labels.

    Args:
        name: How to ask for it again, or what messages call it.
        database: Items that are searched.
        validation: Queries of the evaluations in training.
        test: Queries of the final evaluation.
    """

    encoder: ClassVar[Literal["mlp", "identity"]]
    default_map_at: int | None
    steps_of_views: ClassVar[int] = 16
    loaded_as: str | None = None
    image_facts: ImageFacts | None = None
    labelled: bool = True

    def __init__(self, name: str, database: Split, validation: Split, test: Split) -> None:
        self.name = name
        self.database = database
        self.validation = validation
        self.test = test
        self._found: dict[Any, Any] = {}

    def __repr__(self) -> str:
        validation, test = len(self.validation), len(self.test)
        counts = f"{self.num_train:,} training items, {len(self.database):,} in the database"
        return f"Dataset {self.name}: {counts}, {validation:,} validation and {test:,} test queries"

    @property
    def dim(self) -> int:
        """D, values of an item."""
        return self.database.items.shape[1]

    @property
    @abstractmethod
    def num_train(self) -> int:
        """Number of training items."""

    @property
    def train_in_database(self) -> npt.NDArray[np.int64] | None:
        """Positions of the training items in the database [n]; none where they are not known to be in it."""
        return None

    @abstractmethod
    def views(
        self, index: Tensor, partners: Tensor, generator: torch.Generator, device: torch.device
    ) -> tuple[Tensor, Tensor]:
        """Random views of training items and of their partners.

        A partner may be the item itself, of which the second view then is another one.

        Args:
            index: Of the items [b].
            partners: Of their partners [b].
            generator: Of all that is drawn, on the CPU.
            device: Where the views lie.

        Returns:
            Views of the items and of the partners, float32 [b, D] or images [b, 3, H, W].
        """

    def plain(self, index: Tensor) -> Tensor:
        """Training items as they are, without augmentation.

        Args:
            index: Of the items [b].

        Returns:
            float32 [b, D] or images [b, 3, H, W].

        Raises:
            UserError: Only their views are known.
        """
        raise UserError(f"train.views = plain wants training items without augmentation, and {self.name} has none")

    @abstractmethod
    def training_values(self) -> Iterator[Tensor]:
        """All training values, views included, to fit the standardisation.

        Yields:
            float32 [rows, D], or images [rows, 3, H, W].
        """

    @abstractmethod
    def training_items(self) -> Iterator[Tensor]:
        """The training items as they are, without augmentation; where only views are known, those.

        Shallow methods are fitted to them.

        Yields:
            float32 [rows, D].
        """

    @cached_property
    def training_moments(self) -> tuple[Tensor, Tensor]:
        """Mean and variance [D] of all training values."""
        return moments(self.training_values())

    @cached_property
    def training_facts(self) -> InputFacts:
        """What training items [D] are like, views included."""
        return InputFacts.of(self.training_values())

    def training_neighbors(self, count: int) -> Tensor:
        """The nearest other training items of each by cosine, centred; views are averaged.

        Args:
            count: How many neighbours.

        Returns:
            Indices [n, count] of training items, nearest first.

        Raises:
            UserError: There are not so many items.
        """
        if count >= self.num_train:
            raise UserError(f"train.neighbors = {count} needs more than the {self.num_train} items of {self.name}")
        return self.once(("neighbors", count), lambda: nearest_items(self._training_means(), self.num_train, count))

    def once(self, key: tuple[Any, ...], compute: Callable[[], Any]) -> Any:
        """What is computed of the training items, by whoever asks first.

        Args:
            key: Names it, and all that it depends on but for the items.
            compute: Gives it.
        """
        if key not in self._found:
            self._found[key] = compute()
        return self._found[key]

    def _training_means(self) -> Iterator[Tensor]:
        """As training_items; where only views are known, the mean of those of each item."""
        return self.training_items()

    @abstractmethod
    def splits(self) -> dict[str, npt.NDArray[np.int64]]:
        """Indices of the train, database, validation and test items in the source, by name."""

    def pictures(self, split: Split, index: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8] | None:
        """Items of a split for the eye.

        Args:
            split: Of this data set.
            index: Positions in the split [m].

        Returns:
            uint8 [m, H, W] or [m, H, W, 3]; none where items are no pictures.
        """
        return None

    @abstractmethod
    def _training_array(self) -> Stored:
        """The stored training items, for the fingerprint."""

    def _arrays(self) -> dict[str, npt.NDArray]:
        """All that it is made of, to be stored."""
        raise UserError(
            f"dataset {self.name!r} is made by code of its own ({type(self).__name__}): other processes reach it by a "
            "plug-in that registers what makes it"
        )

    def stored(self, folder: str | Path) -> str:
        """A name by which load_dataset gives the same data in any process, with the same fingerprint.

        What load_dataset gave has one. Data in memory are written into `folder` first, once and in one step: into a
        folder NAME-CONTENT, from which they are mapped into memory, and which is refused, and here written anew, where
        it is damaged.

        Args:
            folder: Of stored data sets; made if it is not there. The name holds this path as it is given.

        Returns:
            A name for load_dataset, --dataset and specs: "arrays:FOLDER/NAME-CONTENT" for data in memory.

        Raises:
            UserError: It cannot be written, or it is of a class of the user's own that load_dataset did not give.
        """
        place = path("folder", folder)
        if self.loaded_as is not None:
            return self.loaded_as
        return f"arrays:{write_arrays(place, self.name, self._arrays(), self.default_map_at)}"

    def labels_in_words(self) -> str:
        """What was understood of the labels: how many classes, one or several an item, how many items have none."""
        splits = (self.database, self.validation, self.test)
        labels = np.concatenate([split.labels for split in splits])
        if labels.ndim == 1:
            classes = np.unique(labels)
            return f"{len(classes)} classes ({classes[0]} to {classes[-1]}), one an item"
        without = np.count_nonzero(~labels.any(axis=1))
        return f"{labels.shape[1]} classes, any number an item; {without:,} of {len(labels):,} items have none"

    def fingerprint(self) -> str:
        """Identifies the content: items, labels and split, 16 hex digits."""
        arrays: list[npt.NDArray] = [self._training_array(), self.splits()["train"]]
        for split in (self.database, self.validation, self.test):
            arrays += [split.items, split.labels]
        return fingerprint_of(arrays)
