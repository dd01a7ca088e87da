"""CIMON, comprehensive similarity mining and consistency learning (Luo et al., IJCAI 2021)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import override

from nsh_core.config import Config
from nsh_core.data import Dataset, Images
from nsh_core.errors import UserError
from nsh_core.losses import nt_xent, products
from nsh_core.methods import recipes
from nsh_core.methods.base import LEARNING_RATE, DeepMethod, MethodOptions, Range
from nsh_core.methods.similarity_graph import SimilarityGraph
from nsh_core.model import Outputs
from nsh_core.sending import sent
from nsh_core.unit import unit

_VIEWS_SEED = 0


class CIMON(DeepMethod):
    """Cosines of relaxed codes follow a graph of similar pairs that is mined once; NT-Xent on the codes of two views.

    Semantic consistency: in either view u u^T / K, u = tanh(h), is drawn to the sign of each pair, weighted by how sure
    that is (SimilarityGraph). Each view is held against the graph of its own features and against that of the other's
    (parallel consistency). Contrastive consistency: NT-Xent between the views' u.
    """

    paper = "Luo et al., CIMON: Towards High-quality Hash Codes, IJCAI 2021"

    class Options(MethodOptions):
        """Options of CIMON."""

        similar: float = Field(
            0.05, ge=1e-4, le=0.5, description="share of all pairs of items that are taken as similar"
        )
        clusters: int = Field(70, ge=2, le=1000, description="spectral clusters that pairs must agree with")
        contrast_weight: float = Field(0.3, ge=0, le=1e3, description="eta, weight of NT-Xent")
        temperature: float = Field(0.5, ge=1e-3, le=100, description="of NT-Xent on the cosine of relaxed codes")
        graph: Literal["views", "items"] = Field(
            "views", description="of two views of each item, drawn once, or of the items without augmentation"
        )

    @classmethod
    @override
    def search_space(cls, config: Config) -> Mapping[str, Range]:
        return {
            "train.learning_rate": LEARNING_RATE,
            "method.options.similar": Range(0.005, 0.2),
            "method.options.contrast_weight": Range(0.03, 3.0),
            "method.options.temperature": Range(0.1, 1.0),
        }

    @classmethod
    @override
    def published(cls, code_length: int) -> Mapping[str, Any]:
        return recipes.cimon()

    @classmethod
    @override
    def prepare(cls, config: Config, dataset: Dataset) -> tuple[SimilarityGraph, SimilarityGraph]:
        """The graphs of both views; where they are of the items, one graph."""
        if isinstance(dataset, Images):
            raise UserError(
                "cimon mines features of a frozen backbone, which does not train: take one as image.backbone"
            )
        options = config.method.settings
        if options.graph == "items":
            one = dataset.once(
                ("cimon", options.clusters), lambda: SimilarityGraph.of(_items(dataset), options.clusters)
            )
            return one, one
        return dataset.once(
            ("cimon", options.clusters, "views"),
            lambda: tuple(SimilarityGraph.of(view, options.clusters) for view in _views(dataset)),
        )

    @override
    def __call__(self, first: Outputs, second: Outputs, generators: Sequence[torch.Generator]) -> dict[str, Tensor]:
        semantic: Tensor = first.relaxed.new_zeros(len(self.prepared))
        similarities = [products(view.relaxed, view.relaxed) / view.relaxed.shape[-1] for view in (first, second)]
        on_cpu = torch.empty(0, dtype=semantic.dtype)  # where pairs are mined
        shares = self.setting("similar", on_cpu).flatten().tolist()
        for side in (0, 1):
            mined = [
                graphs[side].pairs(index, share)
                for graphs, index, share in zip(self.prepared, self.items, shares, strict=True)
            ]
            signs, sure = (sent(torch.stack(part), semantic.device) for part in zip(*mined, strict=True))
            for similarity in similarities:
                semantic = semantic + (sure * (similarity - signs).square()).mean(dim=(-2, -1))
        one, other = (unit(view.relaxed) for view in (first, second))
        contrast = nt_xent(one, other, self.setting("temperature", one))
        loss = semantic + self.setting("contrast_weight", one).view(-1) * contrast
        return {"semantic": semantic, "contrast": contrast, "loss": loss}


def _items(dataset: Dataset) -> np.ndarray:
    """Training items [n, D] as they are; where only views are known, their means."""
    values = torch.cat(list(dataset.training_items())).double().numpy()
    return values.reshape(dataset.num_train, -1, values.shape[1]).mean(axis=1)


def _views(dataset: Dataset) -> list[np.ndarray]:
    """Two views [n, D] of the training items."""
    index = torch.arange(dataset.num_train)
    generator = torch.Generator().manual_seed(_VIEWS_SEED)
    return [view.double().numpy() for view in dataset.views(index, index, generator, torch.device("cpu"))]
