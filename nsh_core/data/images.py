"""Data sets of images: folders by class, lists, CIFAR-10, NUS-WIDE, MS-COCO."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import interpolate
from typing_extensions import override

from nsh_core.data.augment import random_views
from nsh_core.data.colour import in_colour
from nsh_core.data.dataset import Dataset, Split, Stored, batch_of_images, scaled
from nsh_core.data.fingerprint import fingerprint_of
from nsh_core.data.moments import moments
from nsh_core.data.splits import Splits
from nsh_core.inputs import ImageFacts
from nsh_core.metrics.relevance import Labels
from nsh_core.sending import sent

_SCALE = 1 / 255
_SMALL = 32
_CPU = torch.device("cpu")


def flat_pixels(batch: Tensor) -> Tensor:
    """Items [b, D] as they are; of images [b, 3, H, W] their pixels, at a side of at most 32."""
    if batch.ndim == 4 and batch.shape[-1] > _SMALL:
        batch = interpolate(batch, (_SMALL, _SMALL), mode="area")
    return batch.flatten(1)


class Images(Dataset):
    """Images with labels and splits; views are made by a recipe (see nsh_core.data.augment), on the device.

    Args:
        name: How to ask for it again.
        images: uint8 [N, C, S, S]; C is 3, or 1 for grey, whose views are drawn of that one channel.
        content: Fingerprint of all images, as they may be too many to be read each time.
        labels: [N] or multi-hot [N, L].
        splits: Indices of the images.
        map_at: k of mAP@k, none for all.
    """

    encoder = "identity"
    steps_of_views = 1
    image_facts: ImageFacts

    def __init__(
        self, name: str, images: Stored, content: str, labels: Labels, splits: Splits, map_at: int | None
    ) -> None:
        self._images, self._content, self._labels, self._splits = images, content, labels, splits
        self._recipe, self._side = "simclr", images.shape[2]
        self.default_map_at = map_at
        self.image_facts = ImageFacts(images.shape[2])
        parts = (
            Split(images, labels[part], _SCALE, part) for part in (splits.database, splits.validation, splits.test)
        )
        super().__init__(name, *parts)

    def viewed(self, recipe: str, side: int | None) -> Images:
        """The same data with other views.

        Args:
            recipe: Name of a recipe.
            side: Of the views, in pixels; none: the side of the images.
        """
        other = copy.copy(self)
        other._recipe, other._side = recipe, side or self._images.shape[2]
        return other

    @property
    @override
    def dim(self) -> int:
        return int(np.prod(self._images.shape[1:]))

    @property
    @override
    def num_train(self) -> int:
        return len(self._splits.train)

    @property
    @override
    def train_in_database(self) -> npt.NDArray[np.int64] | None:
        place = np.full(len(self._images), -1)
        place[self._splits.database] = np.arange(len(self._splits.database))
        found = place[self._splits.train]
        return None if (found < 0).any() else found

    @override
    def views(
        self, index: Tensor, partners: Tensor, generator: torch.Generator, device: torch.device
    ) -> tuple[Tensor, Tensor]:
        first, second = self.one_view(torch.cat([index, partners]), generator, device).chunk(2)
        return first, second

    def one_view(self, index: Tensor, generator: torch.Generator, device: torch.device = _CPU) -> Tensor:
        """A random view of each of some training images.

        Args:
            index: Of the training images [b].
            generator: On the CPU.
            device: Where views are made.

        Returns:
            [b, 3, side, side].
        """
        images = self._read(self._splits.train[index.numpy()], device)
        return in_colour(random_views(images, self._recipe, self._side, generator))

    def images(self, index: npt.NDArray[np.int64], device: torch.device = _CPU) -> Tensor:
        """Some images by their index in the source.

        Args:
            index: [b].
            device: Where they are put.

        Returns:
            float32 [b, 3, S, S] in [0, 1].
        """
        return in_colour(self._read(index, device))

    def _read(self, index: npt.NDArray[np.int64], device: torch.device) -> Tensor:
        return sent(torch.from_numpy(np.ascontiguousarray(self._images[index])), device).float().mul_(_SCALE)

    @override
    def plain(self, index: Tensor) -> Tensor:
        return self.images(self._splits.train[index.numpy()])

    @override
    def training_values(self) -> Iterator[Tensor]:
        size = batch_of_images(self._images.shape)
        for start in range(0, self.num_train, size):
            yield in_colour(scaled(self._images[self._splits.train[start : start + size]], _SCALE))

    @override
    def training_items(self) -> Iterator[Tensor]:
        return map(flat_pixels, self.training_values())

    @cached_property
    def training_moments(self) -> tuple[Tensor, Tensor]:
        """Mean and variance [D] of the training images' pixels, at a side of at most 32."""
        return moments(self.training_items())

    @override
    def splits(self) -> dict[str, npt.NDArray[np.int64]]:
        return self._splits.as_dict()

    @override
    def pictures(self, split: Split, index: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        pixels = np.ascontiguousarray(split.rows(index).transpose(0, 2, 3, 1), np.uint8)
        return pixels[..., 0] if pixels.shape[3] == 1 else pixels

    @override
    def fingerprint(self) -> str:
        labels = [split.labels for split in (self.database, self.validation, self.test)]
        content = np.frombuffer(self._content.encode(), np.uint8)
        return fingerprint_of([content, *self._splits.as_dict().values(), *labels])

    def _training_array(self) -> Stored:
        return self._images[self._splits.train]

    @override
    def _arrays(self) -> dict[str, npt.NDArray]:
        return {"images": self._images, "labels": self._labels, **self._splits.as_dict()}
