"""Items of an array, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from nsh_core.data.dataset import batch_of_images, scaled

_ROWS = 4096


@dataclass(frozen=True)
class Batches:
    """Items as a hasher takes them; which items share a batch depends on their shape alone.

    Attributes:
        array: Items [N, D] or images [N, 3, H, W], which may lie on disk.
    """

    array: npt.NDArray

    def __iter__(self) -> Iterator[Tensor]:
        return self.after(0)

    def after(self, done: int) -> Iterator[Tensor]:
        """The batches behind the first ones.

        Args:
            done: Items that the first ones hold.

        Yields:
            float32 [b, D], or images [b, 3, H, W], in [0, 1] if they are stored in bytes.
        """
        images = self.array.ndim == 4
        scale = 1 / 255 if images and self.array.dtype == np.uint8 else 1.0
        rows = batch_of_images(self.array.shape) if images else _ROWS
        for start in range(done, len(self.array), rows):
            yield scaled(self.array[start : start + rows], scale)
