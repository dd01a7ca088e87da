"""Naturally-Sorted Hashing (Yu et al., IJCAI 2022), with an instance anchor."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from nsh_core.config import Config
from nsh_core.errors import naming
from nsh_core.losses import (
    agreeing_bits,
    bit_balance,
    listwise,
    masked_nce,
    nt_xent,
    pairwise,
    products,
    quantization,
)
from nsh_core.losses.selection import negative_ranks
from nsh_core.losses.sorted_nce import sorted_nce_by_anchor
from nsh_core.methods import recipes
from nsh_core.methods.base import LEARNING_RATE, DeepMethod, PerRun, Range
from nsh_core.model import Outputs
from nsh_core.sections import LossConfig
from nsh_core.sending import sent
from nsh_core.sorters import FirstRanks, Sorter, backend, build, build_masks
from nsh_core.sorters.kernel import Kernel
from nsh_core.unit import unit

Pair = tuple[Tensor, Tensor]

_WITHOUT_SORTING = {"listwise": listwise, "pairwise": pairwise}
TERMS = ("sorted_nce", "anchor", "code_anchor", "balance", "quantization")


class NSH(DeepMethod):
    """SortedNCE in both directions of the views, NT-Xent anchors on latents and on codes, bit balance, quantisation.

    Its settings are the sections `loss` and `sorter` of a config. In the place of SortedNCE `loss.surrogate` puts a
    loss on the sorter's mask of its first ranks, or one without any sorter, on the same latents and codes. With
    `loss.nested` the terms that compare codes are means over prefixes (after Nested Hash Layer, He et al. 2024). Runs
    that train together agree in their surrogate, in which terms have a weight, in loss.stop_gradient and loss.nested;
    those with the same sorter and selection of ranks are sorted in one call.
    """

    paper = "Yu et al., Learning to Hash Naturally Sorts, IJCAI 2022"
    uses_latents = True
    uses_features = False
    sorts = True
    nests = True

    def __init__(self, configs: Sequence[Config]) -> None:
        super().__init__(configs)
        self._losses = [config.loss for config in configs]
        self.setting = PerRun(self._losses)
        self._active = active_terms(configs[0])
        alike: dict[str, list[int]] = defaultdict(list)
        for run, config in enumerate(configs):
            selection = config.loss.model_dump(include={"num_positives", "gap", "negatives", "softmaxes"})
            alike[f"{config.sorter.model_dump_json()}{selection}"].append(run)
        make: Callable[..., Any] = build_masks if configs[0].loss.surrogate == "masked_nce" else build
        self._alike = [
            (runs, sorter.name, make(sorter.name, **sorter.build_options()))
            for runs in alike.values()
            for sorter in [configs[runs[0]].sorter]
        ]

    @classmethod
    @override
    def shape(cls, config: Config) -> tuple[Any, ...]:
        return config.loss.surrogate, config.loss.stop_gradient, config.loss.nested, active_terms(config)

    @classmethod
    @override
    def search_space(cls, config: Config) -> Mapping[str, Range]:
        loss = config.loss
        low, high = backend(config.sorter.name).search_range
        active = loss.sorted_nce_weight > 0
        in_lists = active and loss.surrogate == "listwise"
        selects = loss.surrogate != "listwise" or loss.gap > 0 or loss.negatives != "all"
        most = max(2, min(32, config.train.batch_size // 4))
        # What acts is searched, in an order that the points of a Halton sequence depend on.
        searched = [
            ("loss.code_anchor_weight", Range(0.1, 2.0), loss.code_anchor_weight > 0),
            ("train.learning_rate", LEARNING_RATE, True),
            ("sorter.temperature", Range(low, high), active and loss.sorts and low < high),
            ("loss.nce_temperature", Range(0.1, 1.0), active and not in_lists),
            ("loss.teacher_temperature", Range(0.03, 0.5), in_lists),
            ("loss.student_temperature", Range(0.05, 1.0), in_lists),
            ("loss.anchor_temperature", Range(0.1, 1.0), loss.anchor_weight > 0),
            ("loss.num_positives", Range(2, most, step=1), active and selects),
        ]
        return {name: span for name, span, acts in searched if acts}

    @classmethod
    @override
    def published(cls, code_length: int) -> Mapping[str, Any]:
        """CIBHash's recipe, whose protocol its table shares: that of NSH's own paper could not be read."""
        return recipes.contrastive(code_length)

    @override
    def __call__(self, first: Outputs, second: Outputs, generators: Sequence[torch.Generator]) -> dict[str, Tensor]:
        relaxed = first.relaxed
        calculations = {
            "sorted_nce": lambda: self._over_prefixes(
                first, second, lambda one, other: self._surrogate(one, other, generators)
            ),
            "anchor": lambda: nt_xent(first.latents, second.latents, self.setting("anchor_temperature", relaxed)),
            "code_anchor": lambda: self._over_prefixes(
                first,
                second,
                lambda one, other: nt_xent(
                    unit(one.codes), unit(other.codes), self.setting("code_anchor_temperature", relaxed)
                ),
            ),
            "balance": lambda: bit_balance(torch.cat([first.codes, second.codes], dim=1)),
            "quantization": lambda: quantization(torch.cat([relaxed, second.relaxed], dim=1)),
        }
        terms = {name: calculations[name]() for name in self._active}
        weighted = [self.setting(f"{name}_weight", relaxed).view(-1) * term for name, term in terms.items()]
        # Without any term a loss that has a gradient all the same.
        loss = sum(weighted[1:], weighted[0]) if weighted else relaxed.sum(dim=(1, 2)) * 0
        surrogate = self._losses[0].surrogate
        return {surrogate if name == "sorted_nce" else name: term for name, term in terms.items()} | {"loss": loss}

    def _over_prefixes(self, first: Outputs, second: Outputs, term: Callable[[Outputs, Outputs], Tensor]) -> Tensor:
        """A term on codes, its mean over the code lengths that the model is trained for."""
        lengths = self._losses[0].nested
        if not lengths:
            return term(first, second)
        terms = [
            term(*(replace(view, codes=view.codes[..., :length]) for view in (first, second))) for length in lengths
        ]
        return torch.stack(terms).mean(dim=0)

    def _surrogate(self, first: Outputs, second: Outputs, generators: Sequence[torch.Generator]) -> Tensor:
        latents = [v.latents.detach() if self._losses[0].stop_gradient else v.latents for v in (first, second)]
        losses: list[Tensor] = [first.codes] * len(self._losses)
        for runs, name, sorter in self._alike:
            rows = slice(None) if len(runs) == len(losses) else sent(torch.tensor(runs), first.codes.device)
            codes = first.codes[rows], second.codes[rows]
            own = codes, (latents[0][rows], latents[1][rows]), runs
            kernel = self._kernel(sorter, codes[0], self._losses[runs[0]])
            if kernel is None:
                with naming(f"sorter {name!r}") if self._losses[0].sorts else nullcontext():
                    by_run = self._of_pairs(*own, rows, sorter, generators)
            else:
                by_run = self._fused(*own, kernel)
            if len(runs) == len(losses):
                return by_run
            for run, value in zip(runs, by_run, strict=True):
                losses[run] = value
        return torch.stack(losses)

    def _kernel(self, sorter: FirstRanks, codes: Tensor, loss: LossConfig) -> Kernel | None:
        """SortedNCE as its sorter has it compiled, of ranks that all anchors share."""
        compiled = loss.surrogate == "sorted_nce" and loss.softmaxes == 1 and not loss.negatives.startswith("random")
        return sorter.kernel_for(codes) if compiled and isinstance(sorter, Sorter) else None

    def _fused(self, codes: Pair, latents: Pair, runs: Sequence[int], kernel: Kernel) -> Tensor:
        from nsh_core.fused import sorted_nce_of_codes  # numba's import takes as long as torch's

        loss = self._losses[runs[0]]
        n = codes[0].shape[1]
        repelling = negative_ranks(n, n, loss.num_positives, loss.gap, loss.negatives, [])
        temperatures = [self._losses[run].nce_temperature for run in runs]
        assert isinstance(repelling, slice)  # they are not drawn
        return sorted_nce_of_codes(kernel, codes, latents, temperatures, repelling, loss.num_positives, both=True)

    def _of_pairs(
        self,
        codes: Sequence[Tensor],
        latents: Sequence[Tensor],
        runs: Sequence[int],
        rows: slice | Tensor,
        sorter: FirstRanks,
        generators: Sequence[torch.Generator],
    ) -> Tensor:
        """The loss [runs] from keys and payload of all pairs, of either view's items for the other's."""
        bits, loss = codes[0].shape[2], self._losses[runs[0]]
        keys = agreeing_bits(*codes)
        # <z_i, P_ij Z> = P_ij (Z Z^T)_i: the sorter only has to carry one scalar per item.
        similarity = products(*latents)
        cosines = 2 * keys / bits - 1

        def setting(name: str) -> Tensor:
            return self.setting(name, keys)[rows]

        match loss.surrogate:
            case "sorted_nce" | "masked_nce":
                pair = keys, similarity / setting("nce_temperature")
            case "listwise":
                pair = cosines / setting("student_temperature"), similarity / setting("teacher_temperature")
            case "pairwise":
                pair = cosines / setting("nce_temperature"), similarity
        by_codes, by_latents = (torch.cat([matrix, matrix.mT], dim=1).flatten(0, 1) for matrix in pair)
        selection = loss.num_positives, loss.gap, loss.negatives, [generators[run] for run in runs]
        match loss.surrogate:
            case "sorted_nce":
                assert isinstance(sorter, Sorter)
                ranked = sorter.sort_levels(by_codes, by_latents, bits + 1)
                by_anchor = sorted_nce_by_anchor(ranked, *selection, by_codes.shape[1], loss.softmaxes)
            case "masked_nce":
                by_anchor = masked_nce(by_latents, partial(sorter.first, by_codes), *selection[:3])
            case surrogate:
                by_anchor = _WITHOUT_SORTING[surrogate](by_latents, by_codes, *selection)
        return by_anchor.view(len(runs), -1).mean(dim=1)


def active_terms(config: Config) -> tuple[str, ...]:
    """The names of the terms that have a weight."""
    return tuple(name for name in TERMS if getattr(config.loss, f"{name}_weight") > 0)
