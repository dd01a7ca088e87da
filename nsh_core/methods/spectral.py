"""Spectral hashing (Weiss et al., NeurIPS 2008)."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from nsh_core.data import Dataset
from nsh_core.methods.base import ShallowMethod
from nsh_core.methods.linear import StandardizedItems, principal_components, set_hash_head
from nsh_core.model import HashModel


class SpectralHashing(ShallowMethod):
    """A bit is the sign of an eigenfunction of the Laplacian of a uniform distribution along a principal axis.

    On an axis with values in [a, a + r] the j-th eigenfunction is cos(j pi (x - a) / r); the K of the smallest j / r
    are taken. No seed changes it.
    """

    paper = "Weiss et al., Spectral Hashing, NeurIPS 2008"
    periodic = True

    @classmethod
    @override
    def fit(cls, model: HashModel, dataset: Dataset, seed: int) -> None:
        bits = model.config.code_length
        items = StandardizedItems(model, dataset)
        mean, axes, components = principal_components(model, items, min(bits, model.dim))
        low, spread = components.amin(dim=0), components.amax(dim=0) - components.amin(dim=0)
        axis, mode = smoothest(spread, bits)
        frequency = mode * math.pi / spread[axis]
        weight = frequency[:, None] * axes.T[axis]
        set_hash_head(model, weight, -frequency * low[axis] - weight @ mean)


def smoothest(spread: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """The K smoothest eigenfunctions.

    Args:
        spread: r [k], range of the values along each axis.
        bits: K.

    Returns:
        Axes [K] and modes j [K], from 1, smoothest first.
    """
    modes = torch.arange(1, bits + 1, dtype=spread.dtype)
    order = torch.from_numpy(np.argsort((modes[:, None] / spread).flatten().numpy(), kind="stable")[:bits])
    return order % len(spread), modes[order // len(spread)]
