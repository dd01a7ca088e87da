"""PCA-sign, the start of ITQ (Gong & Lazebnik, CVPR 2011)."""

from __future__ import annotations

from typing_extensions import override

from nsh_core.data import Dataset
from nsh_core.methods.base import ShallowMethod
from nsh_core.methods.linear import StandardizedItems, principal_components, set_hash_head
from nsh_core.model import HashModel


class PCASign(ShallowMethod):
    """Bit k is the sign of the k-th principal component. No seed changes it."""

    paper = "Gong & Lazebnik, Iterative Quantization: A Procrustean Approach to Learning Binary Codes, CVPR 2011"

    @classmethod
    @override
    def fit(cls, model: HashModel, dataset: Dataset, seed: int) -> None:
        items = StandardizedItems(model, dataset)
        mean, axes, _ = principal_components(model, items, model.config.code_length)
        set_hash_head(model, axes.T, -axes.T @ mean)
