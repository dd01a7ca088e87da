"""Each sorter's matrix once more, from its paper's formula in numpy and scipy or from its authors' library."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
import scipy
import torch
from diffsort import DiffSortNet

Array = npt.NDArray[np.float64]


def _softmax(logits: Array) -> Array:
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def _softsort(keys: Array, temperature: float) -> Array:
    ranked = -np.sort(-keys)
    return _softmax(-np.abs(ranked[:, None] - keys) / temperature)


def _neuralsort(keys: Array, temperature: float) -> Array:
    n = len(keys)
    slopes = n + 1 - 2 * np.arange(1, n + 1)
    return _softmax((slopes[:, None] * keys - np.abs(keys[:, None] - keys).sum(axis=1)) / (n * temperature))


def _torchsort(keys: Array, temperature: float) -> Array:
    from torchsort import soft_rank

    n = len(keys)
    ranks = soft_rank(-torch.tensor(keys)[None], "l2", temperature / n)[0].numpy()
    return _softmax(-np.abs(ranks - np.arange(1, n + 1)[:, None]) / temperature)


def _diffsort(network: str, keys: Array, temperature: float) -> Array:
    net = DiffSortNet(network, len(keys), steepness=1 / temperature, distribution="cauchy")
    return net(-torch.tensor(keys)[None])[1][0].T.double().numpy()


def _sinkhorn(keys: Array, temperature: float) -> Array:
    """From zero potentials until the plan stands still."""
    n = len(keys)
    logits = np.linspace(0.5, -0.5, n)[:, None] * keys / temperature
    by_rank = np.zeros((n, 1))
    for _ in range(10_000):
        by_item = -np.log(np.exp(logits + by_rank).sum(axis=0, keepdims=True))
        before, by_rank = by_rank, -np.log(np.exp(logits + by_item).sum(axis=1, keepdims=True))
        if np.abs(by_rank - before).max() < 1e-14:
            break
    return np.exp(logits + by_item + by_rank)


def _lapsum(keys: Array, temperature: float) -> Array:
    def above(threshold: float) -> Array:
        return scipy.stats.laplace.cdf((keys - threshold) / temperature)

    n, far = len(keys), 60 * temperature
    ends = keys.min() - far, keys.max() + far
    solved = [scipy.optimize.brentq(lambda b, j=j: above(b).sum() - j, *ends, xtol=1e-14) for j in range(1, n)]
    return np.diff([np.zeros(n), *map(above, solved), np.ones(n)], axis=0)


def _hard(keys: Array, temperature: float) -> Array:
    """The assignment of ranks to items that a linear program finds."""
    _, columns = scipy.optimize.linear_sum_assignment(np.outer(np.arange(len(keys)), keys))
    return np.eye(len(keys))[columns]


def _dftopk(keys: Array, temperature: float) -> Array:
    """Masks of 1 to n - 1 ranks."""
    ranked = -np.sort(-keys)
    return scipy.special.expit((keys - (ranked[:-1, None] + ranked[1:, None]) / 2) / temperature)


MATRICES: dict[str, Callable[[Array, float], Array]] = {
    "softsort": _softsort,
    "neuralsort": _neuralsort,
    "torchsort": _torchsort,
    "diffsort_odd_even": partial(_diffsort, "odd_even"),
    "diffsort_bitonic": partial(_diffsort, "bitonic"),
    "sinkhorn": _sinkhorn,
    "lapsum": _lapsum,
    "blackbox": _hard,
    "dftopk": _dftopk,
    "argsort": _hard,
}


def _by_a_second_sort(keys: Array, weights: Array, temperature: float) -> Array:
    """Rolinek et al.: ranks of s + lambda d against those of s, d the slope of an item's weights over ranks."""
    places = np.arange(len(keys)) - (len(keys) - 1) / 2
    d = np.linalg.lstsq(places[:, None], weights - weights.mean(axis=1, keepdims=True), rcond=None)[0][0]
    size = temperature / np.ptp(d)
    first, second = (np.argsort(np.argsort(-values)) for values in (keys, keys + size * d))
    return (second - first) / size


def gradient(name: str, keys: Array, weights: Array, temperature: float) -> Array:
    """Of the sum of weights times the matrix, by the keys: central differences, or what stands for them.

    Args:
        name: Of a sorter.
        keys: [n], no two equal.
        weights: Of the shape of the matrix.
        temperature: Of the sorter.
    """
    if name == "blackbox":
        return _by_a_second_sort(keys, weights, temperature)
    step = 1e-6
    moves = step * np.eye(len(keys))
    values = [[(weights * MATRICES[name](keys + sign * move, temperature)).sum() for sign in (1, -1)] for move in moves]
    return np.array([(up - down) / (2 * step) for up, down in values])
