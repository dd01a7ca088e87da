"""What the items are like that a hasher was trained on, to tell those of another scale, and how images become items."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

_FACTOR = 1.5
_SHIFT = 0.5
_QUANTILES = (0.01, 0.5, 0.99)


@dataclass(frozen=True)
class InputFacts:
    """The values of items in short.

    Attributes:
        lowest: Of all values.
        highest: Of all values.
        means: 1%, 50% and 99% quantile over items of the mean of an item's values.
        sizes: The same of their root mean square, over items that are not all 0; empty if there are none.
    """

    lowest: float
    highest: float
    means: list[float]
    sizes: list[float]

    @classmethod
    def of(cls, batches: Iterable[Tensor]) -> InputFacts:
        """The facts of items.

        Args:
            batches: float32 [b, D] each, at least one.
        """
        ends, means, sizes = [], [], []
        for batch in batches:
            ends.append(torch.stack(batch.aminmax()))
            means.append(batch.mean(dim=1))
            norms = torch.linalg.vector_norm(batch, dim=1)
            sizes.append(norms[norms > 0] / batch.shape[1] ** 0.5)
        lowest, highest = torch.stack(ends).T
        return cls(float(lowest.min()), float(highest.max()), _quantiles(means), _quantiles(sizes))

    def admits(self, other: InputFacts) -> bool:
        """Whether other items can be of the same kind as these.

        Not, if their typical size (the median) is more than 1.5 times the sizes of 98% of these items, or less than
        the 1.5th part; or if their typical mean is off the means of 98% of these items by more than half the typical
        size of these. Items that are all 0 have no size. Every single query of the digits, of CIFAR-10's and of
        Corel5k's features passes by itself; digits at twice or half their scale do not.

        Args:
            other: Facts of the other items.
        """
        if not (self.sizes and other.sizes):
            return True
        (least, typical, most), size = self.sizes, other.sizes[1]
        off = max(self.means[0] - other.means[1], other.means[1] - self.means[2])
        return least / _FACTOR <= size <= most * _FACTOR and off <= _SHIFT * typical

    def in_words(self) -> str:
        """The facts in a line."""
        means, sizes = (f"{values[0]:.3g} to {values[2]:.3g}" if values else "0" for values in (self.means, self.sizes))
        return (
            f"values {self.lowest:.3g} to {self.highest:.3g}, their mean in an item {means}, root mean square {sizes}"
        )


@dataclass(frozen=True)
class ImageFacts:
    """How images become the items of a data set.

    Attributes:
        side: They are scaled to this shorter side and cut to the middle square, in pixels.
        backbone: Whose frozen features of that square are the items; empty where the square itself is.
        size: Side of the images that this backbone sees, in pixels.
        weights: Of this backbone: pretrained, random or a file.
        dtype: In which its features are kept: float16 or float32.
        weights_version: As nsh_core.backbones.weights_version.
    """

    side: int
    backbone: str = ""
    size: int = 0
    weights: str = ""
    dtype: str = ""
    weights_version: str = ""

    @classmethod
    def of_features(cls, facts: Mapping[str, Any]) -> ImageFacts | None:
        """Those of a feature file, from the facts stored with it; none where they do not tell."""
        names = [field.name for field in fields(cls)]
        known = {name: facts[name] for name in names if name in facts}
        return cls(**known) if {*names} - {"weights_version"} <= {*known} else None

    def in_words(self) -> str:
        """The facts in a line."""
        square = f"scaled to a shorter side of {self.side} pixels and cut to the middle square"
        return f"{square}, seen by {self.backbone} ({self.weights} weights)" if self.backbone else square


def _quantiles(parts: list[Tensor]) -> list[float]:
    values = torch.cat(parts).double().numpy()
    return np.quantile(values, _QUANTILES, method="nearest").tolist() if values.size else []
