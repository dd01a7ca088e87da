"""SoftSort (Prillo & Eisenschlos, ICML 2020, eq. 2)."""

from __future__ import annotations

from torch import Tensor

from nsh_core.sorters.base import Sorter, check_rows


class SoftSort(Sorter):
    """Row j is a softmax over items of -|key of rank j - key of the item| / temperature.

    The temperature is the key distance, in bits, at which an item's weight falls by a factor e.
    """

    default_temperature = 1.0
    search_range = (0.1, 10.0)

    def permutation(self, keys: Tensor) -> Tensor:
        check_rows(keys)
        ranked = keys.sort(dim=1, descending=True, stable=True).values
        distance = (ranked[:, :, None] - keys[:, None, :]).abs()
        return (-distance / self.temperature).softmax(dim=2)
