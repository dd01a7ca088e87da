from dataclasses import replace

import pytest

from nsh_core import UserError
from nsh_core.measures import RESULT
from study.analysis.results import Results, read_results
from study.analysis.side_by_side import (
    arms_table,
    differences_table,
    differing_settings,
    differing_versions,
    labels,
    read_several,
    shared_arms,
    shared_differences,
)
from tests.study.commands import ROOT
from tests.study.reporting.test_document import synthetic

REFERENCE = ROOT / "results" / "reference"
TERMS = ["loss_terms", "loss_terms@cifar10_mobilenetv2-ced1"]
SELECTION = ["selection", "selection@cifar10_mobilenetv2-ced1+c7afb6"]


def named(results: Results, key: str, dataset: str) -> Results:
    return replace(results, facts=results.facts.model_copy(update={"key": key, "dataset": dataset}))


def three() -> list[Results]:
    """Of one spec but for its arms: the reference and b in all, c in two, d and e in one each."""
    means = [{"a": 0.5, "b": 0.6, "c": 0.4}, {"a": 0.3, "c": 0.31, "b": 0.2, "d": 0.9}, {"a": 0.7, "b": 0.7, "e": 0.1}]
    made = [synthetic(one, seeds=4 + place) for place, one in enumerate(means)]
    return [named(one, key, data) for one, key, data in zip(made, "xyz", ("digits", "d/p.npz", "q:s.npz"), strict=True)]


def test_what_is_shared_is_what_two_have():
    studies = three()
    assert shared_arms(studies) == ["a", "b", "c"]
    table = arms_table(studies, shared_arms(studies))
    assert len(table) == 8
    for row in table.itertuples():
        [results] = [one for one in studies if one.facts.key == row.study]
        values = results.done[results.done.arm == row.arm][RESULT]
        assert (row.n, row.mean, row.sd) == (len(values), pytest.approx(values.mean()), pytest.approx(values.std()))


def test_each_difference_is_of_one_study_alone():
    studies = three()
    shared = shared_differences(studies)
    assert [(one.arm, one.reference, sorted(one.claims)) for one in shared] == [
        ("b", "a", [0, 1, 2]),
        ("c", "a", [0, 1]),
    ]
    table = differences_table(studies, shared)
    assert len(table) == 5
    for row in table.itertuples():
        [results] = [one for one in studies if one.facts.key == row.study]
        own = results.done.pivot(index="seed", columns="arm", values=RESULT)
        assert row.difference == pytest.approx((own[row.arm] - own[row.reference]).mean())
        assert (row.n, row.tests) == (len(own), len(results.arms) - 1)
    outcomes = table[table.arm == "b"].set_index("study").outcome
    assert (outcomes["x"], outcomes["y"]) == ("ahead", "behind")


def test_studies_are_called_by_what_tells_them_apart():
    studies = three()
    assert labels(studies) == ["digits", "p", "s"]
    again = named(studies[1], "made+1", "digits")
    assert labels([studies[0], again]) == ["x", "made+1"]
    other = read_results(REFERENCE / TERMS[1])
    assert labels([studies[0], other]) == ["made on digits", "loss_terms on cifar10_mobilenetv2"]


def test_what_differs_under_one_name_is_found():
    studies = read_several(SELECTION, REFERENCE)
    arms = shared_arms(studies)
    assert differing_settings(studies, arms) == [("train.epochs", ["30", "5"], arms)]
    facts = {"code": "1", "torch": "2"}
    alike = [
        replace(
            one,
            tables=replace(
                one.tables, trials=one.tables.trials.drop(columns=["commit", "provenance"], errors="ignore")
            ),
        )
        for one in studies
    ]
    alike = [replace(one, facts=one.facts.model_copy(update={"provenance": facts})) for one in alike]
    before = differing_versions(alike)
    assert "torch" not in before
    other = replace(alike[1], facts=alike[1].facts.model_copy(update={"provenance": facts | {"torch": "3"}}))
    assert [name for name in differing_versions([alike[0], other]) if name not in before] == ["torch"]


@pytest.mark.parametrize(
    ("names", "line"),
    [
        (["nested"], "side by side are two studies or more, got 1"),
        (["nested", "nestd"], "no results of a study 'nestd' in .*; did you mean 'nested'"),
        (["nested", str(REFERENCE / "nested")], "side by side are different studies, got 'nested' twice"),
    ],
)
def test_what_cannot_stand_side_by_side_is_said(names, line):
    with pytest.raises(UserError, match=line):
        read_several(names, REFERENCE)


def test_a_damaged_folder_is_said(tmp_path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text("{")
    with pytest.raises(UserError, match="broken is damaged, run the study again"):
        read_several([str(REFERENCE / "loss_terms"), "broken"], tmp_path)
