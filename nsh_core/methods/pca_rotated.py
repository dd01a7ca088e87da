"""Signs of randomly rotated principal components (Gong & Lazebnik, CVPR 2011; "Hashing-Baseline" 2025)."""

from __future__ import annotations

from typing_extensions import override

from nsh_core.data import Dataset
from nsh_core.methods.base import ShallowMethod
from nsh_core.methods.linear import StandardizedItems, principal_components, random_rotation, set_hash_head
from nsh_core.model import HashModel


class PCARotated(ShallowMethod):
    """Principal components, rotated at random so that no bit is worth more than another: ITQ before its first step."""

    paper = "Hashing-Baseline: Rethinking Hashing in the Age of Pretrained Models, arXiv 2509.14427, 2025"

    @classmethod
    @override
    def fit(cls, model: HashModel, dataset: Dataset, seed: int) -> None:
        bits = model.config.code_length
        mean, axes, _ = principal_components(model, StandardizedItems(model, dataset), bits)
        weight = (axes @ random_rotation(bits, seed)).T
        set_hash_head(model, weight, -weight @ mean)
