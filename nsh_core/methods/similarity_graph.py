"""CIMON's guidance from features: which pairs are alike, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Floats = npt.NDArray[np.floating]

_MOST = 5000  # items that are clustered, as in the authors' protocol: memory and time grow with the square
_ROWS = 1024
_LEAST_IN_A_CLUSTER = 10
_BINS, _IN_A_COARSE_BIN = 20_000, 100  # of distances in [0, 2]: exact to 1e-4; the mode is that of bins of .01


@dataclass(frozen=True)
class SimilarityGraph:
    """Pairs of items by the cosine distance of their features.

    Attributes:
        units: Features [n, D], centred and of length 1.
        clusters: Spectral cluster of each item [n].
        counts: How many pairs lie in each of 20,000 bins of cosine distance from 0 to 2.
    """

    units: Tensor
    clusters: Tensor
    counts: npt.NDArray[np.int64]

    @classmethod
    def of(cls, features: npt.NDArray[np.float64], clusters: int) -> SimilarityGraph:
        """The graph of features; of more than 5,000 items that many, drawn by a fixed seed, stand for the others.

        Args:
            features: [n, D].
            clusters: How many, at most; a cluster has at least 10 items on average.
        """
        # scikit-learn brings it; sums must not depend on how many threads there are.
        from threadpoolctl import threadpool_limits

        centred = features - features.mean(axis=0)
        units = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
        order = np.random.default_rng(0).permutation(len(units))[:_MOST]
        chosen = np.sort(order)
        with threadpool_limits(1):
            known = _spectral(units[chosen], max(2, min(clusters, len(chosen) // _LEAST_IN_A_CLUSTER)))
            nearest = [(units[start : start + _ROWS] @ units[chosen].T).argmax(axis=1) for start in _starts(units)]
            counts = _histogram(units[chosen])
        labels = known[np.concatenate(nearest)]
        return cls(torch.from_numpy(units.astype(np.float32)), torch.from_numpy(labels.astype(np.int64)), counts)

    def threshold(self, similar: float) -> float:
        """The cosine distance within which lies a share of all pairs, to 1e-4.

        Args:
            similar: The share, in (0, 1).
        """
        place = int(np.searchsorted(self.counts.cumsum(), similar * self.counts.sum()))
        return 2 * (place + 1) / _BINS

    def spread(self) -> tuple[float, float, float]:
        """The mode of the distances, and the deviations of a half normal distribution to its left and to its right."""
        coarse = self.counts.reshape(-1, _IN_A_COARSE_BIN).sum(axis=1)
        mode = float(2 * coarse.argmax() * _IN_A_COARSE_BIN / _BINS)
        distances = (np.arange(_BINS) + 0.5) * 2 / _BINS
        left, right = (
            float(np.sqrt(np.average((distances[side] - mode) ** 2, weights=self.counts[side]))) if any_there else 1.0
            for side in (distances <= mode, distances > mode)
            for any_there in [self.counts[side].any()]
        )
        return mode, left, right

    def pairs(self, index: Tensor, similar: float) -> tuple[Tensor, Tensor]:
        """Signs and confidences of the pairs of some items.

        A pair within the threshold has the sign +1, another -1. Its confidence grows from 0 at the threshold to 1 at
        the ends, by the normal distributions on either side of the mode, and is 0 where sign and clusters disagree.

        Args:
            index: Of the items [b].
            similar: Share of all pairs that are taken as similar.

        Returns:
            Signs [b, b] and confidences [b, b], in [0, 1].
        """
        threshold, (mode, left, right) = self.threshold(similar), self.spread()
        units, clusters = self.units[index], self.clusters[index]
        distances = 1 - units @ units.mT
        near = distances <= threshold
        below, above = (
            torch.special.ndtr((torch.cat([distances.flatten(), torch.tensor([threshold])]) - mode) / deviation)
            for deviation in (left, right)
        )
        as_near = (1 - below[:-1] / below[-1]).view_as(distances)
        as_far = ((above[:-1] - above[-1]) / (1 - above[-1])).view_as(distances)
        confident = torch.where(near, as_near, as_far).clamp(0, 1)
        agree = near == (clusters[:, None] == clusters)
        return torch.where(near, 1.0, -1.0), confident * agree


def _starts(rows: Floats) -> range:
    return range(0, len(rows), _ROWS)


def _spectral(units: Floats, clusters: int) -> npt.NDArray[np.int64]:
    """Spectral clusters of items, as the authors' code has them: affinity exp(-|x - y|^2), discretised."""
    from sklearn.cluster import SpectralClustering

    found = SpectralClustering(clusters, affinity="rbf", gamma=1.0, random_state=0, assign_labels="discretize")
    return found.fit_predict(units)


def _histogram(units: Floats) -> npt.NDArray[np.int64]:
    """How many pairs of different items lie in each bin of cosine distance; each pair counts twice."""
    counts = np.zeros(_BINS, np.int64)
    for start in _starts(units):
        distances = 1 - units[start : start + _ROWS] @ units.T
        counts += np.histogram(distances, _BINS, (-1e-9, 2 + 1e-9))[0]
        own = 1 - np.einsum("ij,ij->i", units[start : start + _ROWS], units[start : start + _ROWS])
        counts -= np.histogram(own, _BINS, (-1e-9, 2 + 1e-9))[0]
    return counts
