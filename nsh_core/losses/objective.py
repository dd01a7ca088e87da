"""The loss of a training step and its terms."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor

from nsh_core.config import Config
from nsh_core.losses.anchor import nt_xent
from nsh_core.losses.regularizers import bit_balance, quantization
from nsh_core.losses.sorted_nce import sorted_nce_by_anchor
from nsh_core.model import Outputs
from nsh_core.sorters import build

TERMS = ("sorted_nce", "anchor", "balance", "quantization")


class Objective:
    """SortedNCE in both directions of the views, NT-Xent anchor, bit balance and quantisation, weighted.

    configs: of R runs that train together; they agree in which terms have a weight and in loss.stop_gradient. Runs
    with the same sorter and the same selection of ranks are sorted in one call.
    """

    def __init__(self, configs: Sequence[Config]) -> None:
        self._losses = [config.loss for config in configs]
        self.active = active_terms(configs[0])
        self._settings: dict[str, Tensor] = {}
        alike: dict[str, list[int]] = defaultdict(list)
        for run, config in enumerate(configs):
            selection = config.loss.model_dump(include={"num_positives", "gap", "negatives"})
            alike[f"{config.sorter.model_dump_json()}{selection}"].append(run)
        self._alike = [
            (runs, build(configs[runs[0]].sorter.name, **configs[runs[0]].sorter.build_options()))
            for runs in alike.values()
        ]

    def __call__(self, first: Outputs, second: Outputs, generators: Sequence[torch.Generator]) -> dict[str, Tensor]:
        """Each term [R] that has a weight, unweighted, by name, and their weighted sum [R] as "loss".

        first, second: outputs [R, n, ...] of two views of the same n items. generators: draw random negatives, on
        the CPU.
        """
        relaxed = torch.cat([first.relaxed, second.relaxed], dim=1)
        calculations = {
            "sorted_nce": lambda: self._sorted_nce(first, second, generators),
            "anchor": lambda: nt_xent(first.latents, second.latents, self._setting("anchor_temperature", relaxed)),
            "balance": lambda: bit_balance(torch.cat([first.codes, second.codes], dim=1)),
            "quantization": lambda: quantization(relaxed),
        }
        terms = {name: calculations[name]() for name in self.active}
        weighted = (self._setting(f"{name}_weight", relaxed).view(-1) * term for name, term in terms.items())
        return terms | {"loss": sum(weighted, relaxed.sum(dim=(1, 2)) * 0)}

    def _setting(self, name: str, like: Tensor) -> Tensor:
        """A setting of all runs, [R, 1, 1], brought to the device once."""
        if name not in self._settings:
            values = [getattr(loss, name) for loss in self._losses]
            self._settings[name] = torch.tensor(values, dtype=like.dtype, device=like.device).view(-1, 1, 1)
        return self._settings[name]

    def _sorted_nce(self, first: Outputs, second: Outputs, generators: Sequence[torch.Generator]) -> Tensor:
        keys = agreeing_bits(first.codes, second.codes)
        latents = [v.latents.detach() if self._losses[0].stop_gradient else v.latents for v in (first, second)]
        similarity = latents[0] @ latents[1].mT / self._setting("nce_temperature", keys)
        # <z_i, P_ij Z> = P_ij (Z Z^T)_i: the sorter only has to carry one scalar per item.
        keys, similarity = (torch.cat([matrix, matrix.mT], dim=1) for matrix in (keys, similarity))
        n, levels = keys.shape[2], first.codes.shape[2] + 1
        losses: list[Tensor] = [keys] * len(self._losses)
        for runs, sorter in self._alike:
            rows = slice(None) if len(runs) == len(losses) else runs
            ranked = sorter.sort_levels(keys[rows].flatten(0, 1), similarity[rows].flatten(0, 1), levels)
            loss = self._losses[runs[0]]
            drawing = [generators[run] for run in runs]
            by_anchor = sorted_nce_by_anchor(ranked, loss.num_positives, loss.gap, loss.negatives, drawing, n)
            for run, value in zip(runs, by_anchor.view(len(runs), -1).mean(dim=1), strict=True):
                losses[run] = value
        return torch.stack(losses)


def active_terms(config: Config) -> tuple[str, ...]:
    """The names of the terms that have a weight."""
    return tuple(name for name in TERMS if getattr(config.loss, f"{name}_weight") > 0)


def agreeing_bits(first: Tensor, second: Tensor) -> Tensor:
    """K - Hamming distance [..., n, n'] between codes [..., n, K] and [..., n', K] in -1/+1: K times S of the paper."""
    return (first @ second.mT + first.shape[-1]) / 2
