import numpy as np
import pandas as pd
import pytest

from nsh_core.measures import MEASURES
from study.analysis.statistics import compare_paired
from study.analysis.tables import compare, summarize


@pytest.fixture
def trials() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({name: rng.random(9) for name in MEASURES.names()})
    frame["arm"] = ["b"] * 3 + ["a"] * 3 + ["c"] * 3
    frame["seed"] = [0, 1, 2] * 3
    return frame.drop(index=8)


def test_the_summary_is_of_each_arm(trials):
    summary = summarize(trials)
    assert list(summary.arm.unique()) == ["b", "a", "c"]
    row = summary[(summary.arm == "a") & (summary.metric == "test_map")].iloc[0]
    values = trials[trials.arm == "a"].test_map
    assert (row.n, row["mean"], row.sd) == (3, pytest.approx(values.mean()), pytest.approx(values.std()))
    assert row.ci_low < row["mean"] < row.ci_high


def test_comparisons_are_paired_by_seed_and_adjusted_per_metric(trials):
    comparisons = compare(trials.sample(frac=1, random_state=1), dict.fromkeys("abc", "a"))
    table = comparisons[comparisons.metric == "test_map"].set_index("arm")
    assert set(table.index) == {"b", "c"}
    assert (table.reference == "a").all()
    assert table.n.to_dict() == {"b": 3, "c": 2}
    by_seed = {arm: group.set_index("seed").test_map for arm, group in trials.groupby("arm")}
    expected = compare_paired(by_seed["b"].to_numpy(), by_seed["a"].to_numpy())
    assert table.difference["b"] == pytest.approx(expected.difference)
    assert table.p["b"] == pytest.approx(expected.p)
    smallest = table.p.idxmin()
    assert table.p_holm[smallest] == pytest.approx(min(1, 2 * table.p[smallest]))


def test_no_reference_no_comparison(trials):
    assert compare(trials, dict.fromkeys("abc", "absent")).empty
    assert summarize(trials.iloc[:0]).empty


def test_arms_are_compared_and_adjusted_within_their_groups(trials):
    comparisons = compare(trials, {"b": "a", "a": "a", "c": "c"})
    assert set(comparisons.arm) == {"b"}
    np.testing.assert_array_equal(comparisons.p_holm, comparisons.p)
