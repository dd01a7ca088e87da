"""NeuralSort (Grover, Wang, Zweig & Ermon, ICLR 2019, eq. 5)."""

from __future__ import annotations

import torch
from torch import Tensor

from nsh_core.sorters.base import Sorter, check_rows


class NeuralSort(Sorter):
    """Row j is a softmax over items i of ((n + 1 - 2j) s_i - sum_k |s_i - s_k|) / (n temperature).

    The paper's temperature is n times this one: dividing by n makes the sum over the batch a mean, so that the
    setting, in bits, does not depend on the batch size.
    """

    default_temperature = 0.25
    search_range = (0.02, 5.0)

    def permutation(self, keys: Tensor) -> Tensor:
        check_rows(keys)
        n = keys.shape[1]
        spread = (keys[:, :, None] - keys[:, None, :]).abs().mean(dim=2)
        slope = (n + 1 - 2 * torch.arange(1, n + 1, device=keys.device, dtype=keys.dtype)) / n
        logits = slope[None, :, None] * keys[:, None, :] - spread[:, None, :]
        return (logits / self.temperature).softmax(dim=2)
