"""How softly a comparator of a sorting network swaps (Petersen et al., ICML 2021 and ICLR 2022).

Each distribution maps v = steepness * (key_a - key_b) to the weight in [0, 1] of "a comes first", with the formulas
of the diffsort library, and knows its own derivative.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

_EPSILON = 1e-10


@dataclass(frozen=True)
class Distribution:
    """A distribution and its derivative.

    Attributes:
        weight: Weight of "a comes first" in [0, 1], of v, steepness and art_lambda.
        slope: Derivative of the weight by v, of v, weight, steepness and art_lambda.
    """

    weight: Callable[[Tensor, float, float], Tensor]
    slope: Callable[[Tensor, Tensor, float, float], Tensor]


def _sharpened(v: Tensor, steepness: float, art_lambda: float) -> Tensor:
    """The activation replacement trick: v / |difference|^art_lambda."""
    return v / ((v / steepness).abs() + _EPSILON).pow(art_lambda)


def _sharpened_slope(v: Tensor, steepness: float, art_lambda: float) -> Tensor:
    difference = (v / steepness).abs()
    return (1 - art_lambda * difference / (difference + _EPSILON)) / (difference + _EPSILON).pow(art_lambda)


def _optimal(v: Tensor, steepness: float, art_lambda: float) -> Tensor:
    """Monotonic with the smallest error: linear within 1/4, then 1 - 1/(16 v)."""
    tail = torch.sign(v) * (v.abs() > 0.25) * (0.25 - 1 / 16 / (v.abs() + _EPSILON))
    return v.clamp(-0.25, 0.25) + 0.5 + tail


DISTRIBUTIONS: dict[str, Distribution] = {
    "logistic": Distribution(
        lambda v, steepness, art_lambda: v.sigmoid(), lambda v, weight, steepness, art_lambda: weight * (1 - weight)
    ),
    "logistic_phi": Distribution(
        lambda v, steepness, art_lambda: _sharpened(v, steepness, art_lambda).sigmoid(),
        lambda v, weight, steepness, art_lambda: weight * (1 - weight) * _sharpened_slope(v, steepness, art_lambda),
    ),
    "gaussian": Distribution(
        lambda v, steepness, art_lambda: 0.5 + 0.5 * torch.erf(v / math.sqrt(2)),
        lambda v, weight, steepness, art_lambda: (v.square() / -2).exp() / math.sqrt(2 * math.pi),
    ),
    "reciprocal": Distribution(
        lambda v, steepness, art_lambda: 0.5 * (v / (2 + v.abs()) + 1),
        lambda v, weight, steepness, art_lambda: (2 + v.abs()).square().reciprocal(),
    ),
    "cauchy": Distribution(
        lambda v, steepness, art_lambda: v.atan().mul_(1 / math.pi).add_(0.5),
        lambda v, weight, steepness, art_lambda: v.square().add_(1).mul_(math.pi).reciprocal_(),
    ),
    "optimal": Distribution(
        _optimal, lambda v, weight, steepness, art_lambda: 1 / (16 * v.abs().clamp(min=0.25).square())
    ),
}
