import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats

from nsh_core import UserError
from nsh_core.measures import MEASURES, RESULT
from study.analysis.columns import SUMMARY
from study.analysis.comparisons import compare, summarize
from study.analysis.crossed import crossed
from study.analysis.results import read_results
from study.analysis.statistics import compare_paired
from study.plan.contrast import Contrast
from study.stored import StoredStudy
from tests.study.commands import as_of_an_earlier_version, report

UNKNOWN = pd.DataFrame(columns=["arm", "seed", "val", "test"])


def against(reference: str) -> list[Contrast]:
    return [Contrast(arm, reference) for arm in "abc" if arm != reference]


@pytest.fixture
def trials() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({name: rng.random(9) for name in MEASURES.names()})
    frame["arm"] = ["b"] * 3 + ["a"] * 3 + ["c"] * 3
    frame["seed"] = [0, 1, 2] * 3
    return frame.drop(index=8)


def test_the_summary_is_of_each_arm(trials):
    summary = summarize(trials, UNKNOWN)
    assert list(summary.arm.unique()) == ["b", "a", "c"]
    row = summary[(summary.arm == "a") & (summary.metric == "test_map")].iloc[0]
    values = trials[trials.arm == "a"].test_map
    assert (row.n, row["mean"], row.sd) == (3, pytest.approx(values.mean()), pytest.approx(values.std()))
    assert row.ci_low < row["mean"] < row.ci_high


def test_comparisons_are_paired_by_seed_and_adjusted_per_metric(trials):
    comparisons = compare(trials.sample(frac=1, random_state=1), against("a"), UNKNOWN)
    table = comparisons[comparisons.metric == "test_map"].set_index("arm")
    assert set(table.index) == {"b", "c"}
    assert (table.reference == "a").all()
    assert table.n.to_dict() == {"b": 3, "c": 2}
    by_seed = {arm: group.set_index("seed").test_map for arm, group in trials.groupby("arm")}
    expected = compare_paired(by_seed["b"].to_numpy(), by_seed["a"].to_numpy())
    assert table.difference["b"] == pytest.approx(expected.difference)
    assert table.p_flips["b"] == pytest.approx(expected.p)
    own = by_seed["b"] - by_seed["a"]
    assert table.p["b"] == pytest.approx(scipy_stats.ttest_1samp(own, 0).pvalue)
    assert (table.both_low["b"], table.both_high["b"]) == pytest.approx((expected.low, expected.high))
    smallest = table.p.idxmin()
    assert table.p_holm[smallest] == pytest.approx(min(1, 2 * table.p[smallest]))


def test_no_reference_no_comparison(trials):
    assert compare(trials, against("absent"), UNKNOWN).empty
    assert summarize(trials.iloc[:0], UNKNOWN).empty


def test_arms_are_compared_and_adjusted_within_their_groups(trials):
    comparisons = compare(trials, [Contrast("b", "a"), Contrast("c", "absent", group="other")], UNKNOWN)
    assert set(comparisons.arm) == {"b"}
    np.testing.assert_array_equal(comparisons.p_holm, comparisons.p)


@pytest.fixture
def per_query(trials) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    rows = [
        {"arm": arm, "seed": seed, "val": rng.random(7).astype(np.float16), "test": rng.random(9).astype(np.float16)}
        for arm, seed in zip(trials.arm, trials.seed, strict=True)
    ]
    return pd.DataFrame(rows)


def test_queries_widen_the_intervals_of_map_alone(trials, per_query):
    summary = summarize(trials, per_query)
    assert list(summary.columns) == list(SUMMARY)
    values = np.stack(per_query[per_query.arm == "a"].test.to_list()).astype(float)
    row = summary[(summary.arm == "a") & (summary.metric == "test_map")].iloc[0]
    reach = crossed(values).interval()[1] - values.mean()
    assert (row.both_low, row.both_high) == pytest.approx((row["mean"] - reach, row["mean"] + reach))
    other = summary[(summary.arm == "a") & (summary.metric == "test_recall")].iloc[0]
    assert (other.both_low, other.both_high) == pytest.approx((other.ci_low, other.ci_high))
    assert np.isnan(other.se_queries)


def test_differences_are_paired_by_query_too(trials, per_query):
    table = compare(trials, against("a"), per_query)
    row = table[(table.metric == "test_map") & (table.arm == "c")].iloc[0]
    one, other = (np.stack(per_query[per_query.arm == arm].test.to_list()[:2]).astype(float) for arm in "ca")
    expected = crossed(one - other)
    assert (row.se_seeds, row.se_queries, row.se) == pytest.approx(
        (expected.se_seeds, expected.se_queries, expected.se)
    )
    values = trials.pivot(index="seed", columns="arm", values="test_map").dropna()
    assert row.difference == pytest.approx((values.c - values.a).mean())
    validation = table[(table.metric == "val_map") & (table.arm == "c")].iloc[0]
    assert not np.isnan(validation.se_queries)


def test_a_family_is_the_contrasts_of_a_question_in_a_group(trials):
    contrasts = [
        Contrast("b", "a", "first?"), Contrast("c", "a", "first?"), Contrast("b", "c", "second?"),
        Contrast("c", "b", "second?", "elsewhere"),
    ]  # fmt: skip
    table = compare(trials, contrasts, UNKNOWN, ["test_map"])
    assert list(table.question) == ["first?", "first?", "second?", "second?"]
    assert list(table.tests) == [2, 2, 1, 1]
    np.testing.assert_allclose(table.p_holm[2:], table.p[2:])
    assert table.difference[2] == pytest.approx(-table.difference[3])


def test_a_report_on_the_first_seeds_leaves_the_tables_as_they_are(undisturbed, tmp_path):
    results = read_results(undisturbed / "tiny")
    first = results.of_seeds(1)
    assert set(first.done.seed) == {0}
    assert list(first.summary_of(RESULT).n) == [1, 1]
    assert set(first.tables.curves.seed) == set(first.tables.per_query.seed) == {0}
    with pytest.raises(UserError, match="seeds must be at most 2, which tiny has, got 3"):
        results.of_seeds(3)
    made = report("--study", "tiny", "--results", undisturbed, "--reports", tmp_path, "--seeds", 1)
    assert made.returncode == 0, made.stderr
    assert "> These are the first 1 seeds alone: 1 more are stored." in (tmp_path / "tiny" / "report.md").read_text()
    assert len(read_results(undisturbed / "tiny").done) == 4


def test_tables_that_name_an_arm_by_a_number_alone_are_read(undisturbed_copy):
    """As earlier versions wrote them."""
    folder = undisturbed_copy / "tiny"
    as_of_an_earlier_version(folder)
    numbers = {"softsort": "64", "argsort": "32"}
    for name in ("trials", "curves", "per_query"):
        table = pd.read_parquet(folder / f"{name}.parquet")
        table.assign(arm=table.arm.replace(numbers)).to_parquet(folder / f"{name}.parquet")
    with np.load(folder / "gallery.npz") as file:
        np.savez(folder / "gallery.npz", **(dict(file) | {"arms": np.array([*numbers.values()])}))
    facts = json.loads((folder / "run.json").read_text())
    facts["spec"] |= {"factors": {"train.batch_size": [64, 32]}, "reference": {"train.batch_size": 64}}
    (folder / "run.json").write_text(json.dumps(facts))
    stored = StoredStudy(folder)
    assert stored.results.arms == ["batch_size=64", "batch_size=32"]
    assert stored.compare("batch_size=32", "batch_size=64").row["n"] == 2
    assert "batch_size=64 is best on the validation queries" in stored.verdict.headline
    assert stored.figure("gallery")


def test_a_family_is_a_group_whatever_the_order_of_arms():
    rng = np.random.default_rng(0)
    arms = [f"{name}{group}" for name in "abc" for group in (8, 16)]
    trials = pd.DataFrame([{"arm": arm, "seed": seed, RESULT: rng.normal()} for arm in arms for seed in range(5)])
    contrasts = [Contrast(arm, f"a{arm[1:]}", group=arm[1:]) for arm in arms[2:]]
    found = compare(trials, contrasts, pd.DataFrame(columns=["arm", "seed", "val", "test"]), [RESULT])
    assert found.tests.tolist() == [2] * 4
    for _, family in found.groupby("group"):
        first, second = sorted(family.p)
        assert sorted(family.p_holm) == pytest.approx([min(1, 2 * first), max(min(1, 2 * first), second)])
