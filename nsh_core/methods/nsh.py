"""Naturally-Sorted Hashing (Yu et al., IJCAI 2022), with an instance anchor."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize
from typing_extensions import override

from nsh_core.config import Config
from nsh_core.losses import agreeing_bits, bit_balance, nt_xent, products, quantization
from nsh_core.losses.sorted_nce import sorted_nce_by_anchor
from nsh_core.methods.base import LEARNING_RATE, DeepMethod, PerRun, Range
from nsh_core.model import Outputs
from nsh_core.sorters import backend, build

TERMS = ("sorted_nce", "anchor", "code_anchor", "balance", "quantization")


class NSH(DeepMethod):
    """SortedNCE in both directions of the views, NT-Xent anchors on latents and on codes, bit balance, quantisation.

    Its settings are the sections `loss` and `sorter` of a config. Runs that train together agree in which terms have a
    weight and in loss.stop_gradient; those with the same sorter and selection of ranks are sorted in one call.
    """

    paper = "Yu et al., Learning to Hash Naturally Sorts, IJCAI 2022"
    uses_latents = True
    sorts = True

    def __init__(self, configs: Sequence[Config]) -> None:
        super().__init__(configs)
        self._losses = [config.loss for config in configs]
        self.setting = PerRun(self._losses)
        self._active = active_terms(configs[0])
        alike: dict[str, list[int]] = defaultdict(list)
        for run, config in enumerate(configs):
            selection = config.loss.model_dump(include={"num_positives", "gap", "negatives"})
            alike[f"{config.sorter.model_dump_json()}{selection}"].append(run)
        self._alike = [
            (runs, build(configs[runs[0]].sorter.name, **configs[runs[0]].sorter.build_options()))
            for runs in alike.values()
        ]

    @classmethod
    @override
    def shape(cls, config: Config) -> tuple[Any, ...]:
        return config.loss.stop_gradient, active_terms(config)

    @classmethod
    @override
    def search_space(cls, config: Config) -> Mapping[str, Range]:
        low, high = backend(config.sorter.name).search_range
        most = max(2, min(32, config.train.batch_size // 4))
        codes = {"loss.code_anchor_weight": Range(0.1, 2.0)} if config.loss.code_anchor_weight > 0 else {}
        soft = {"sorter.temperature": Range(low, high)} if low < high else {}
        return codes | {
            "train.learning_rate": LEARNING_RATE,
            **soft,
            "loss.nce_temperature": Range(0.1, 1.0),
            "loss.anchor_temperature": Range(0.1, 1.0),
            "loss.num_positives": Range(2, most, step=1),
        }

    @override
    def __call__(self, first: Outputs, second: Outputs, generators: Sequence[torch.Generator]) -> dict[str, Tensor]:
        relaxed = torch.cat([first.relaxed, second.relaxed], dim=1)
        calculations = {
            "sorted_nce": lambda: self._sorted_nce(first, second, generators),
            "anchor": lambda: nt_xent(first.latents, second.latents, self.setting("anchor_temperature", relaxed)),
            "code_anchor": lambda: nt_xent(
                normalize(first.codes, dim=-1),
                normalize(second.codes, dim=-1),
                self.setting("code_anchor_temperature", relaxed),
            ),
            "balance": lambda: bit_balance(torch.cat([first.codes, second.codes], dim=1)),
            "quantization": lambda: quantization(relaxed),
        }
        terms = {name: calculations[name]() for name in self._active}
        weighted = (self.setting(f"{name}_weight", relaxed).view(-1) * term for name, term in terms.items())
        return terms | {"loss": sum(weighted, relaxed.sum(dim=(1, 2)) * 0)}

    def _sorted_nce(self, first: Outputs, second: Outputs, generators: Sequence[torch.Generator]) -> Tensor:
        keys = agreeing_bits(first.codes, second.codes)
        latents = [v.latents.detach() if self._losses[0].stop_gradient else v.latents for v in (first, second)]
        similarity = products(latents[0], latents[1]) / self.setting("nce_temperature", keys)
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
