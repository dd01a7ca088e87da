"""ITQ, iterative quantisation (Gong & Lazebnik, CVPR 2011)."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import override

from nsh_core.data import Dataset
from nsh_core.methods.base import MethodOptions, ShallowMethod
from nsh_core.methods.linear import StandardizedItems, principal_components, random_rotation, set_hash_head
from nsh_core.model import HashModel


class ITQ(ShallowMethod):
    """Principal components, rotated so that their signs are as near to them as can be; the first rotation is random."""

    paper = "Gong & Lazebnik, Iterative Quantization: A Procrustean Approach to Learning Binary Codes, CVPR 2011"

    class Options(MethodOptions):
        """Options of ITQ."""

        iterations: int = Field(50, ge=0, le=10_000, description="alternations of codes and rotation")

    @classmethod
    @override
    def fit(cls, model: HashModel, dataset: Dataset, seed: int) -> None:
        bits = model.config.code_length
        mean, axes, components = principal_components(model, StandardizedItems(model, dataset), bits)
        start = random_rotation(bits, seed)
        weight = (axes @ rotation(components, start, model.config.method.settings.iterations)).T
        set_hash_head(model, weight, -weight @ mean)


def rotation(components: Tensor, start: Tensor, iterations: int) -> Tensor:
    """Alternates codes B = sign(V R) and the rotation R (orthogonal Procrustes).

    Args:
        components: V [M, K].
        start: The first rotation [K, K].
        iterations: Alternations.

    Returns:
        The rotation [K, K].
    """
    turned = start
    for _ in range(iterations):
        codes = torch.where(components @ turned >= 0, 1.0, -1.0).to(components.dtype)
        left, _, right = torch.linalg.svd(codes.T @ components)
        turned = (left @ right).T
    return turned
