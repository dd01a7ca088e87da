"""Values of any number of items, in blocks that memory takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

_WHOLE = 2**26  # values: 256 MiB in float32


def in_blocks(chunks: Iterable[Tensor]) -> Iterator[Tensor]:
    """Chunks as one block, where all of them are small; else as they come.

    Args:
        chunks: [rows, D] each.

    Yields:
        All rows, where they hold at most 2^26 values; else each chunk.
    """
    held: list[Tensor] = []
    values = 0
    for chunk in chunks:
        held.append(chunk)
        values += chunk.numel()
        if values > _WHOLE:
            yield from held
            held.clear()
    if held:
        yield torch.cat(held)
