import shutil
from pathlib import Path

import pytest
from scipy import stats

from nsh_core import UserError
from study.analysis.comparisons import values_of
from study.analysis.crossed import crossed
from study.analysis.results import read_results, studies_in
from study.analysis.unplanned import differences, find_arm, unplanned
from study.plan.loading import load_spec
from tests.study.commands import report

REFERENCE = Path(__file__).parents[3] / "results" / "reference"


def test_any_two_arms_of_a_study_are_compared_as_they_would_be_in_a_family_of_one():
    results = read_results(REFERENCE / "sorter_ablation")
    claim = unplanned((results, "sinkhorn"), (results, "softsort"))
    values = values_of(results.done, results.tables.per_query, ["sinkhorn", "softsort"])
    estimate = crossed(values[0] - values[1])
    assert claim.row["difference"] == pytest.approx(estimate.mean, abs=1e-5)
    assert claim.row["p_holm"] == claim.row["p"] == pytest.approx(estimate.p, rel=1e-2)
    assert "Holm" not in claim.sentence
    # Each backend has a temperature of its own where none is set.
    assert differences((results, "sinkhorn"), (results, "softsort")) == {
        "sorter.name": ("sinkhorn", "softsort"),
        "sorter.temperature": (0.3, 1.0),
    }


def test_arms_of_several_studies_are_compared_on_the_seeds_that_they_share():
    one, other = (read_results(REFERENCE / name) for name in ("sorter_ablation", "transfer"))
    arm = "teacher=instances, code_anchor=without, surrogate=softsort"
    claim = unplanned((one, "softsort"), (other, arm))
    mine, yours = (side.done[side.done.arm == own].set_index("seed").test_map for side, own in
                   ((one, "softsort"), (other, arm)))  # fmt: skip
    assert claim.row["n"] == 10
    assert claim.row["p_flips"] < 1
    assert claim.row["difference"] == pytest.approx((mine - yours).mean())
    assert claim.row["se_seeds"] == pytest.approx(stats.sem(mine - yours), rel=1e-3)
    assert claim.sentence.startswith("sorter_ablation: softsort ")
    assert differences((one, "softsort"), (other, arm))["code_length"] == (32, 16)
    # Tables of before have no column of settings that came later, and mean their defaults.
    older = read_results(REFERENCE / "loss_terms")
    assert not {"loss.surrogate", "sorter.temperature"} & set(differences((one, "softsort"), (older, "full")))
    reverse = unplanned((other, arm), (one, "softsort"))
    assert reverse.row["difference"] == -claim.row["difference"]


@pytest.mark.parametrize(
    ("arms", "message"),
    [
        (("softsort", "softsort"), "a comparison wants two arms, got 'softsort' twice"),
        (
            ("softsort", "sinkhron"),
            r"sorter_ablation has no arm 'sinkhron' .*, known: 'softsort', .* gradient.'; did you mean 'sinkhorn'\?$",
        ),
        (("softsort", "nowhere:softsort"), "sorter_ablation has no arm 'nowhere:softsort'"),
        (
            ("softsort", "transfer:none"),
            "^transfer has no arm 'none', known: 'teacher=instances, code_anchor=without, sur",
        ),
        (
            ("softsort", "sorter_ablation@cifar10_mobilenetv2-ced1:softsort"),
            "a comparison wants two studies with the same data, got",
        ),
    ],
)
def test_what_cannot_be_compared_is_said(arms, message):
    own = read_results(REFERENCE / "sorter_ablation")
    with pytest.raises(UserError, match=message):
        unplanned(*(find_arm(text, REFERENCE, own) for text in arms))


def test_a_level_alone_is_no_arm_of_several_factors():
    own = read_results(REFERENCE / "transfer")
    known = r"transfer has no arm 'surrogate=softsort' \(of another study: STUDY:ARM\), known: 'teacher=instances, code"
    with pytest.raises(UserError, match=rf"^{known}.*; did you mean '[^']*, surrogate=softsort'\?$"):
        find_arm("surrogate=softsort", REFERENCE, own)


def test_a_misspelt_study_of_a_results_folder_is_named():
    with pytest.raises(UserError, match=r"no results of a study 'tranfser' in .*; did you mean 'transfer'"):
        find_arm("tranfser:softsort", REFERENCE, None)
    with pytest.raises(UserError, match=r"no results in .*; did you mean 'transfer@cifar10_mobilenetv2-ced1.25271b'"):
        read_results(REFERENCE / "transfer@cifar10_mobilenetv2")
    with pytest.raises(
        UserError, match=r"unknown study 'Code_length@cifar10_mobilenet', .*mean 'code_length@cifar10_mob"
    ):
        load_spec("Code_length@cifar10_mobilenet", studies_in(REFERENCE))


@pytest.mark.slow(8)
def test_the_command_says_that_nobody_planned_it(tmp_path):
    shutil.copytree(REFERENCE / "sorter_ablation", tmp_path / "mine")
    options = ("--results", tmp_path, "--reports", tmp_path / "p")
    done = report(*options, "--study", "mine", "--compare", "sinkhorn", "mine:softsort")
    assert done.returncode == 0, done.stderr
    sentence, note = done.stdout.splitlines()
    assert sentence.startswith("sinkhorn ")
    assert note.startswith("Unplanned: this pair was chosen after the trials were run")
    assert note.endswith("The two differ in sorter.name (sinkhorn and softsort), sorter.temperature (0.3 and 1.0).")
    assert not (tmp_path / "p").exists()
    alone = report(*options, "--compare", "mine:sinkhorn", "mine:softsort")
    assert alone.stdout == done.stdout
    assert "an arm is STUDY:ARM where no study is given" in report(*options, "--compare", "a", "b").stderr
