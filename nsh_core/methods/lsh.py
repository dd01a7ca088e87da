"""LSH: random hyperplanes (Charikar, STOC 2002)."""

from __future__ import annotations

import torch
from typing_extensions import override

from nsh_core.data import Dataset
from nsh_core.methods.base import ShallowMethod
from nsh_core.methods.linear import StandardizedItems, set_hash_head
from nsh_core.model import HashModel


class LSH(ShallowMethod):
    """A bit is the side of a random hyperplane through the mean of the training features."""

    paper = "Charikar, Similarity Estimation Techniques from Rounding Algorithms, STOC 2002"

    @classmethod
    @override
    def fit(cls, model: HashModel, dataset: Dataset, seed: int) -> None:
        mean, _ = StandardizedItems(model, dataset).mean()
        shape = model.hash_output.weight.shape
        normals = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        set_hash_head(model, normals, -normals @ mean)
