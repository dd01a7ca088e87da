"""The loss of a training step and its terms."""

from __future__ import annotations

import torch
from torch import Tensor

from nsh_core.config import Config
from nsh_core.losses.anchor import nt_xent
from nsh_core.losses.regularizers import bit_balance, quantization
from nsh_core.losses.sorted_nce import sorted_nce
from nsh_core.model import Outputs
from nsh_core.sorters import build


class Objective:
    """SortedNCE in both directions of the views, NT-Xent anchor, bit balance and quantisation, weighted."""

    def __init__(self, config: Config) -> None:
        self._config = config.loss
        self.sorter = build(config.sorter.name, **config.sorter.build_options())

    def __call__(self, first: Outputs, second: Outputs, generator: torch.Generator) -> dict[str, Tensor]:
        """Each term that has a weight, unweighted, by name, and their weighted sum as "loss".

        first, second: outputs of two views of the same n items. generator: draws random negatives, on the CPU.
        """
        config = self._config
        relaxed = torch.cat([first.relaxed, second.relaxed])
        weighted = {
            "sorted_nce": (config.sorted_nce_weight, lambda: self._sorted_nce(first, second, generator)),
            "anchor": (
                config.anchor_weight,
                lambda: nt_xent(first.latents, second.latents, config.anchor_temperature),
            ),
            "balance": (config.balance_weight, lambda: bit_balance(torch.cat([first.codes, second.codes]))),
            "quantization": (config.quantization_weight, lambda: quantization(relaxed)),
        }
        terms = {name: term() for name, (weight, term) in weighted.items() if weight > 0}
        total = sum((weighted[name][0] * term for name, term in terms.items()), relaxed.sum() * 0)
        return terms | {"loss": total}

    def _sorted_nce(self, first: Outputs, second: Outputs, generator: torch.Generator) -> Tensor:
        config = self._config
        keys = agreeing_bits(first.codes, second.codes)
        latents = [v.latents.detach() if config.stop_gradient else v.latents for v in (first, second)]
        similarity = latents[0] @ latents[1].T / config.nce_temperature
        # <z_i, P_ij Z> = P_ij (Z Z^T)_i: the sorter only has to carry one scalar per item.
        both_ways = torch.cat([keys, keys.T]), torch.cat([similarity, similarity.T])
        ranked = self.sorter.sort_levels(*both_ways, first.codes.shape[1] + 1)
        return sorted_nce(ranked, config.num_positives, config.gap, config.negatives, generator, len(keys))


def agreeing_bits(first: Tensor, second: Tensor) -> Tensor:
    """K - Hamming distance [n, n'] between codes [n, K] and [n', K] in -1/+1: K times S of the paper."""
    return (first @ second.T + first.shape[1]) / 2
