"""What a sorter has compiled for the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class Kernel(NamedTuple):
    """SortedNCE of some anchors, with its gradients.

    Attributes:
        rows: (payload, by_key, loss, anchors, items, bits, selection, scales, parameters): the payload [a, n], which
            gets its gradient in its place, the gradient of the keys [a, n] and the loss [a] to be filled, codes as
            words [a, words] and [n, words], the code length, (m, first rank that repels, rank behind the last one),
            factors of both gradients, and the sorter's own parameters.
        parameters: What else it takes.
    """

    rows: Callable[..., None]
    parameters: tuple[Any, ...]
