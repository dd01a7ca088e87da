"""CIMON against a computation of all pairs in float64."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import norm

from nsh_core import UserError, make_config
from nsh_core.data import from_arrays
from nsh_core.methods.cimon import CIMON
from nsh_core.methods.similarity_graph import SimilarityGraph
from nsh_core.model import Outputs
from tests.nsh_core.test_methods import N, nt_xent_by_hand, views


def blobs(count: int = 240, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(6, 9)) * 2)[rng.integers(0, 6, count)] + rng.normal(size=(count, 9))


def normal(value: float) -> float:
    """The distribution function of the standard normal distribution."""
    return (1 + math.erf(value / math.sqrt(2))) / 2


def guidance_by_hand(
    features: np.ndarray, clusters: np.ndarray, similar: float, index: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Signs and confidences of some items' pairs by the authors' code, but for the threshold, which is of a share."""
    centred = features - features.mean(axis=0)
    units = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    distances = 1 - units @ units.T
    pairs = distances[~np.eye(len(units), dtype=bool)]
    threshold = np.sort(pairs)[int(similar * len(pairs))]
    counts, edges = np.histogram(pairs, 200, (0, 2))
    mode = edges[counts.argmax()]
    left, right = pairs[pairs <= mode], pairs[pairs > mode]
    _, low = norm.fit(np.concatenate([left, 2 * mode - left]))
    _, high = norm.fit(np.concatenate([2 * mode - right, right]))
    signs, sure = np.empty((len(index), len(index))), np.empty((len(index), len(index)))
    for row, i in enumerate(index):
        for column, j in enumerate(index):
            d = distances[i, j]
            near = d <= threshold
            edge = normal((threshold - mode) / (low if near else high))
            own = normal((d - mode) / (low if near else high))
            weight = (edge - own) / edge if near else (own - edge) / (1 - edge)
            signs[row, column] = 1 if near else -1
            sure[row, column] = min(max(weight, 0), 1) * (near == (clusters[i] == clusters[j]))
    return signs, sure


def test_the_graph_is_the_authors_formula():
    features = blobs()
    graph = SimilarityGraph.of(features, 6)
    assert graph.counts.sum() == 240 * 239
    index = torch.arange(240)[::3]
    signs, sure = (part.numpy() for part in graph.pairs(index, 0.15))
    expected_signs, expected_sure = guidance_by_hand(features, graph.clusters.numpy(), 0.15, index.numpy())
    assert (signs == expected_signs).mean() > 0.999  # a pair may lie within 1e-4 of the threshold
    np.testing.assert_allclose(sure, expected_sure, atol=5e-3)
    assert 0.1 < (sure > 0).mean() < 0.95


def test_spectral_clusters_find_what_is_there_and_are_no_more_than_items_allow():
    rng = np.random.default_rng(3)
    truth = np.repeat(np.arange(4), 40)
    features = (np.eye(4, 12) * 8)[truth] + rng.normal(size=(160, 12)) * 0.3
    found = SimilarityGraph.of(features, 4).clusters.numpy()
    assert len(np.unique(found)) == 4
    assert all(len(np.unique(found[truth == one])) == 1 for one in range(4))
    assert len(np.unique(SimilarityGraph.of(features[:30], 70).clusters)) <= 3


def test_items_beyond_the_most_take_the_cluster_of_their_nearest(monkeypatch):
    monkeypatch.setattr("nsh_core.methods.similarity_graph._MOST", 60)
    rng = np.random.default_rng(3)
    truth = np.repeat(np.arange(3), 50)
    features = (np.eye(3, 12) * 8)[truth] + rng.normal(size=(150, 12)) * 0.3
    graph = SimilarityGraph.of(features, 3)
    assert graph.counts.sum() == 60 * 59
    assert all(len(np.unique(graph.clusters.numpy()[truth == one])) == 1 for one in range(3))
    assert len(graph.clusters.unique()) == 3


def test_cimon_is_its_formula():
    first, second = views()
    options = {"similar": 0.2, "contrast_weight": 0.7, "temperature": 0.4}
    bits = first.logits.shape[1]
    objective = CIMON([make_config({"code_length": bits, "method": {"name": "cimon", "options": options}})])
    graphs = [SimilarityGraph.of(blobs(seed=seed), 6) for seed in (0, 1)]
    index = torch.randperm(240, generator=torch.Generator().manual_seed(0))[:N]
    objective.prepared, objective.items = [tuple(graphs)], index[None]
    alone = [
        Outputs(*(getattr(view, name)[None] for name in ("logits", "relaxed", "codes", "latents", "features")))
        for view in (first, second)
    ]
    terms = objective(*alone, [torch.Generator()])
    u, v = (np.tanh(view.logits.detach().numpy()) for view in (first, second))
    semantic = 0.0
    for graph in graphs:
        signs, sure = (part.double().numpy() for part in graph.pairs(index, 0.2))
        for own in (u, v):
            for i in range(N):
                for j in range(N):
                    semantic += sure[i, j] * (own[i] @ own[j] / bits - signs[i, j]) ** 2 / N**2
    assert semantic > 0
    assert terms["semantic"].item() == pytest.approx(semantic, rel=1e-6)
    assert terms["loss"].item() == pytest.approx(semantic + 0.7 * nt_xent_by_hand(u, v, 0.4), rel=1e-6)
    terms["loss"].sum().backward()
    assert first.logits.grad is not None
    assert math.isfinite(first.logits.grad.sum().item())


def test_cimon_wants_features():
    images = np.random.default_rng(0).integers(0, 255, (60, 8, 8, 3), np.uint8)
    labels = np.arange(60) % 3
    data = from_arrays(images[:40], labels[:40], images[40:], labels[40:], train_index=np.arange(40))
    config = make_config({"method": {"name": "cimon"}})
    with pytest.raises(UserError, match="cimon mines features of a frozen backbone"):
        CIMON.prepare(config, data)


def test_a_graph_is_mined_once_for_all_runs(digits):
    configs = [make_config({"method": {"name": "cimon"}, "seed": seed}) for seed in (0, 1)]
    one, other = (CIMON.prepare(config, digits) for config in configs)
    assert one is other
    assert not torch.equal(one[0].units, one[1].units)
    of_items = make_config({"method": {"name": "cimon", "options": {"graph": "items"}}})
    first, second = CIMON.prepare(of_items, digits)
    assert first is second
