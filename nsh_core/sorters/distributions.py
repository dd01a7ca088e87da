"""How softly a comparator of a sorting network swaps (Petersen et al., ICML 2021 and ICLR 2022).

Each function maps v = steepness * (key_b - key_a) to the weight in [0, 1] of "a is the smaller one", with the
formulas of the diffsort library.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor


def logistic(v: Tensor, steepness: float, art_lambda: float) -> Tensor:
    return torch.sigmoid(v)


def logistic_phi(v: Tensor, steepness: float, art_lambda: float) -> Tensor:
    """Logistic after the activation replacement trick: v / |difference|^art_lambda."""
    return torch.sigmoid(v / ((v / steepness).abs() + 1e-10).pow(art_lambda))


def gaussian(v: Tensor, steepness: float, art_lambda: float) -> Tensor:
    return 0.5 + 0.5 * torch.erf(v / math.sqrt(2))


def reciprocal(v: Tensor, steepness: float, art_lambda: float) -> Tensor:
    return 0.5 * (v / (2 + v.abs()) + 1)


def cauchy(v: Tensor, steepness: float, art_lambda: float) -> Tensor:
    return torch.atan(v) / math.pi + 0.5


def optimal(v: Tensor, steepness: float, art_lambda: float) -> Tensor:
    """Monotonic with the smallest error: linear within 1/4, then 1 - 1/(16 v)."""
    tail = torch.sign(v) * (v.abs() > 0.25) * (0.25 - 1 / 16 / (v.abs() + 1e-10))
    return v.clamp(-0.25, 0.25) + 0.5 + tail


DISTRIBUTIONS: dict[str, Callable[[Tensor, float, float], Tensor]] = {
    "logistic": logistic,
    "logistic_phi": logistic_phi,
    "gaussian": gaussian,
    "reciprocal": reciprocal,
    "cauchy": cauchy,
    "optimal": optimal,
}
