"""The hard sort: the control of every ablation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from typing_extensions import override

from nsh_core.sorters.base import Sorter, check_rows


class ArgSort(Sorter):
    """Exact order, ties by index. Payloads get gradients, keys none: the codes learn nothing from the list."""

    default_temperature = 1.0
    search_range = (1.0, 1.0)
    level_form = "hard"

    def __init__(self) -> None:
        super().__init__()

    @override
    def permutation(self, keys: Tensor) -> Tensor:
        check_rows(keys)
        order = keys.argsort(dim=1, descending=True, stable=True)
        return torch.nn.functional.one_hot(order, keys.shape[1]).to(keys.dtype)

    @override
    def first(self, keys: Tensor, counts: Sequence[int]) -> Tensor:
        check_rows(keys)
        ranks = keys.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
        return torch.stack([ranks < count for count in counts], dim=1).to(keys.dtype)

    @override
    def sort_payload(self, keys: Tensor, payload: Tensor) -> Tensor:
        check_rows(keys, payload)
        return payload.gather(1, keys.argsort(dim=1, descending=True, stable=True))
