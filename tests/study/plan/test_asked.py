"""Some of the arms alone: the same trials, under the same name, and nothing that reads as the whole."""

import re

import pytest

from nsh_core import UserError
from study.plan.asked import not_asked
from study.plan.loading import available, load_spec, spec_of
from study.plan.planning import make_plan
from study.plan.trials import left_out

SPEC = {
    "factors": {"sorter.name": ["softsort", "argsort", "neuralsort"], "code_length": [8, 16]},
    "arm_groups": {"short": {"code_length": [8]}, "two": {"sorter.name": ["softsort", "argsort"], "code_length": [16]}},
}


@pytest.mark.parametrize(
    ("names", "left"),
    [
        ([], 6),
        (["short"], 3),
        (["two"], 2),
        (["two", "short"], 5),
        (["sorter=softsort, code_length=16"], 1),
        (["two", "sorter=softsort, code_length=16"], 2),
    ],
)
def test_groups_and_arms_are_asked_for_by_name(names, left):
    spec = spec_of("made", SPEC)
    others = not_asked(spec, names)
    plan = make_plan(spec, arms=names)
    assert {trial.arm.name for trial in plan.trials} == {arm.name for arm in spec.arms} - set(others)
    assert len({trial.arm.name for trial in plan.trials}) == left
    assert plan.lacking == others


@pytest.mark.parametrize("study", ["sorter_ablation", "paper_table"])
def test_trials_of_the_core_are_those_of_the_whole_study(study):
    spec = load_spec(study)
    whole, core = make_plan(spec), make_plan(spec, arms=["core"])
    assert whole.key == core.key
    asked = {trial.arm.name for trial in core.trials}
    same = [trial for trial in whole.trials if trial.arm.name in asked]
    assert [(one.arm, one.config.digest(), one.tuned) for one in core.trials] == [
        (one.arm, one.config.digest(), one.tuned) for one in same
    ]
    assert 1 < len(asked) < len(spec.arms) / 2 + 1


def test_the_core_of_the_paper_table_is_each_method_as_it_stands_at_32_bits():
    spec = load_spec("paper_table")
    core = {arm.name for arm in spec.arms} - set(not_asked(spec, ["core"]))
    assert all(name.endswith("code_length=32") for name in core)
    assert not any("+" in name or "published" in name for name in core)


def test_an_unknown_group_is_told_with_the_nearest():
    with pytest.raises(UserError, match=r"^study sorter_ablation has no group of arms 'cor', .*did you mean 'core'\?$"):
        make_plan(load_spec("sorter_ablation"), arms=["cor"])
    without = next(spec for spec in available() if not spec.arm_groups)
    with pytest.raises(UserError, match=rf"nor such an arm; arms: {re.escape(without.arms[0].name)}, "):
        make_plan(without, arms=["core"])


@pytest.mark.parametrize(
    ("groups", "line"),
    [
        ({"a": {"code_lenth": [8]}}, r"arm_groups, 'a': no factor 'code_lenth', .*did you mean 'code_length'\?"),
        ({"a": {"sorter.name": ["softsrt"]}}, r"no level 'softsrt' of 'sorter.name', .*did you mean 'softsort'\?"),
        ({"a": {}}, r"arm_groups, 'a': needs levels of a factor"),
        ({"a": {"code_length": []}}, r"arm_groups, 'a': needs levels of a factor"),
    ],
)
def test_a_group_that_means_no_arms_is_refused(groups, line):
    with pytest.raises(UserError, match=line):
        spec_of("made", SPEC | {"arm_groups": groups})


def test_a_group_called_as_an_arm_is_refused():
    spec = {"factors": {"sorter.name": ["softsort", "lapsum"]}, "arm_groups": {"lapsum": {"sorter.name": ["softsort"]}}}
    with pytest.raises(UserError, match="arm_groups, 'lapsum': an arm is called so too, and --arms could mean either"):
        spec_of("made", spec)


def test_many_arms_are_told_in_a_line():
    line = left_out({f"arm {number}": "it rains" for number in range(20)})[0]
    assert line.startswith("left out: arm 0, arm 1")
    assert line.endswith("arm 11 and 8 more, as it rains")
