"""Hash centres: a code for each class, far from one another (Yuan et al., CVPR 2020)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.linalg import hadamard

from nsh_core.metrics.relevance import Labels

Codes = npt.NDArray[np.float64]

_SEED = 0
_DRAWS = 100


def hash_centers(classes: int, bits: int) -> Codes:
    """Rows of a Hadamard matrix, then their opposites; where that gives none, the best of 100 draws.

    A Hadamard matrix of Sylvester's has 2^k rows, half of whose entries differ from any other's. Of other lengths, and
    for more than 2 K classes, codes with as many +1 as -1 are drawn by a fixed seed; the draw is kept whose nearest two
    are furthest apart.

    Args:
        classes: L.
        bits: K.

    Returns:
        [L, K] in -1/+1.
    """
    if bits & (bits - 1) == 0 and classes <= 2 * bits:
        rows = hadamard(bits, dtype=np.float64)
        return np.concatenate([rows, -rows])[:classes]
    rng = np.random.default_rng(_SEED)
    balanced = np.where(np.arange(bits) < bits // 2, 1.0, -1.0)
    draws = [rng.permuted(np.tile(balanced, (classes, 1)), axis=1) for _ in range(_DRAWS)]
    return min(draws, key=_nearest)


def _nearest(centers: Codes) -> float:
    """The largest inner product of two different centres."""
    return float((centers @ centers.T - 1e9 * np.eye(len(centers))).max())


def one_hot(labels: Labels) -> Codes:
    """Labels [n] as one-hot [n, L], classes in ascending order; multi-hot labels [n, L] stay.

    Args:
        labels: Of the training items.
    """
    if labels.ndim == 2:
        return labels.astype(np.float64)
    classes, places = np.unique(labels, return_inverse=True)
    return np.eye(len(classes))[places]


def centers_of(labels: Labels, bits: int) -> Codes:
    """The centre that each item is to have: of several labels the sign of the sum of theirs.

    Args:
        labels: [n], or multi-hot [n, L].
        bits: K.

    Returns:
        [n, K] in -1/+1, ties as in one code drawn by a fixed seed; 0 for an item without any label.
    """
    hot = one_hot(labels)
    sums = hot @ hash_centers(hot.shape[1], bits)
    ties = np.random.default_rng(_SEED).choice([-1.0, 1.0], bits)
    return np.where(sums == 0, ties, np.sign(sums)) * hot.any(axis=1, keepdims=True)
