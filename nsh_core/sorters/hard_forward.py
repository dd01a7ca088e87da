"""The hard list forward, a soft sorter's gradient backward."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from typing_extensions import override

from nsh_core.sorters.argsort import ArgSort
from nsh_core.sorters.base import FirstRanks, Sorter
from nsh_core.sorters.levels import Ranked


class HardMasks(FirstRanks):
    """Straight-through on masks: their value is that of argsort's, their gradient that of soft ones.

    Args:
        soft: Whose gradient the keys get.
    """

    def __init__(self, soft: FirstRanks) -> None:
        super().__init__(soft.temperature)
        self._masks, self._hard = soft, ArgSort()

    @override
    def first(self, keys: Tensor, counts: Sequence[int]) -> Tensor:
        return _straight_through(self._hard.first(keys, counts), self._masks.first(keys, counts))


class HardForward(HardMasks, Sorter):
    """Straight-through on the permutation: its value is that of argsort, its gradient that of a soft sorter.

    So payloads get their gradient through the hard permutation, keys through the soft one.

    Args:
        soft: Whose gradient the keys get.
    """

    def __init__(self, soft: Sorter) -> None:
        super().__init__(soft)
        self._soft = soft

    @override
    def permutation(self, keys: Tensor) -> Tensor:
        return _straight_through(self._hard.permutation(keys), self._soft.permutation(keys))

    @override
    def sort_payload(self, keys: Tensor, payload: Tensor) -> Tensor:
        soft = self._soft.sort_payload(keys, payload.detach())
        return _straight_through(self._hard.sort_payload(keys, payload), soft)

    @override
    def sort_levels(self, keys: Tensor, payload: Tensor, levels: int) -> Ranked:
        soft = self._soft.sort_levels(keys, payload.detach(), levels).by_rank(keys.shape[1])
        return Ranked(_straight_through(self._hard.sort_payload(keys, payload), soft))


def _straight_through(hard: Tensor, soft: Tensor) -> Tensor:
    return hard + (soft - soft.detach())
