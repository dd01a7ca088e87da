import numpy as np
import pandas as pd
import pytest
from scipy import stats

from study.analysis.by_class import differences_by_class, read_classes, write_classes
from study.analysis.generation import Generation
from study.plan.contrast import Contrast


def made(effect: dict[int, float], seeds: int = 6) -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray]:
    """Two arms whose AP differ by class; 40 queries of each of three."""
    rng = np.random.default_rng(0)
    classes = np.repeat([0, 1, 2], 40)
    hard = rng.uniform(0.3, 0.7, 120)
    rows = []
    for seed in range(seeds):
        for arm in "ab":
            lift = np.array([effect[label] for label in classes]) if arm == "a" else 0.0
            ap = hard + lift + rng.normal(0, 0.02, 120)
            rows.append({"arm": arm, "seed": seed, "test": ap.astype(np.float16), "val": ap[:3].astype(np.float16)})
    per_query = pd.DataFrame(rows)
    trials = per_query[["arm", "seed"]].assign(test_map=[ap.mean() for ap in per_query.test])
    return trials, per_query, classes


def test_each_class_is_compared_over_its_own_queries():
    trials, per_query, classes = made({0: 0.1, 1: 0.0, 2: -0.05})
    table = differences_by_class(trials, per_query, Contrast("a", "b"), classes)
    assert table["class"].tolist() == [0, 1, 2]
    assert table.queries.tolist() == [40, 40, 40]
    assert table.difference.to_numpy() == pytest.approx([0.1, 0.0, -0.05], abs=0.01)
    assert (table.p_holm < 0.05).tolist() == [True, False, True]
    ap = {arm: np.stack(list(own.test)).astype(float) for arm, own in per_query.groupby("arm")}
    by_seed = (ap["a"] - ap["b"])[:, classes == 2].mean(axis=1)
    assert table.difference[2] == pytest.approx(by_seed.mean())
    assert table.high[2] - table.difference[2] >= 0.8 * stats.sem(by_seed) * stats.t.ppf(0.975, 5)


def test_a_class_of_few_queries_is_left_out():
    trials, per_query, classes = made({0: 0.1, 1: 0.0, 2: 0.0})
    classes[0], classes[41:80] = 7, 2
    table = differences_by_class(trials, per_query, Contrast("a", "b"), classes)
    assert table["class"].tolist() == [0, 2]


def test_nothing_is_told_of_unknown_queries():
    trials, per_query, classes = made({0: 0.1, 1: 0.0, 2: 0.0})
    assert differences_by_class(trials, per_query.iloc[:0], Contrast("a", "b"), classes).empty
    assert differences_by_class(trials, per_query, Contrast("a", "c"), classes).empty
    assert differences_by_class(trials[trials.seed == 0], per_query, Contrast("a", "b"), classes).empty


def test_labels_are_kept_where_a_query_has_one(tmp_path):
    assert read_classes(tmp_path) is None
    write_classes(np.eye(3, dtype=np.uint8), Generation(tmp_path))
    write_classes(np.arange(30), Generation(tmp_path))
    assert read_classes(tmp_path) is None
    write_classes(np.array([3, 1, 3], dtype=np.uint8), Generation(tmp_path))
    assert read_classes(tmp_path).tolist() == [3, 1, 3]
