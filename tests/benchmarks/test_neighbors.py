import numpy as np

from benchmarks.neighbors import accuracy


def test_accuracy_is_the_vote_of_the_twenty_nearest_others():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 90) * 2
    features = rng.normal(size=(90, 4)) + np.eye(4)[labels // 2]
    normed = features / np.linalg.norm(features, axis=1, keepdims=True)
    right = 0
    for place, own in enumerate(normed):
        others = [other for other in np.argsort(-(normed @ own), kind="stable") if other != place][:20]
        right += np.bincount(labels[others]).argmax() == labels[place]
    assert accuracy(features, labels) == right / 90
    assert 0.5 < right / 90 < 1
