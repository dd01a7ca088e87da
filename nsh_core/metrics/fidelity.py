"""How far a soft sort agrees with the hard one."""

from __future__ import annotations

import torch
from torch import Tensor

from nsh_core.sorters import Sorter


@torch.no_grad()
def sorter_fidelity(sorter: Sorter, keys: Tensor) -> float:
    """Mean weight that a row of the soft permutation puts on items with the key that belongs there.

    Tied items are interchangeable, so any of them counts.

    Args:
        sorter: Whose permutation.
        keys: [B, n].

    Returns:
        A value in [0, 1]; 1 for the hard sort.
    """
    ranked = keys.sort(dim=1, descending=True).values
    belongs = ranked[:, :, None] == keys[:, None, :]
    return float((sorter.permutation(keys) * belongs).sum(dim=2).mean())
