import pytest
from pydantic import ValidationError

from nsh_core import UserError, methods
from study.plan.planning import make_plan
from study.plan.spec import StudySpec, available, load_spec, with_mode
from tests.study.commands import SPEC


def test_the_shipped_studies():
    specs = {spec.name: spec for spec in available()}
    assert set(specs) == {
        "sorter_ablation", "temperature", "code_length", "selection", "loss_terms", "paper_table", "label_free",
        "around_optimum", "pareto", "transfer", "as_published",
    }  # fmt: skip
    assert {name: specs[name].mode for name in ("around_optimum", "pareto", "paper_table", "selection")} == {
        "around_optimum": "one_factor", "pareto": "pareto", "paper_table": "tuned", "selection": "grid",
    }  # fmt: skip
    table = make_plan(specs["paper_table"])
    assert {trial.config.method.name for trial in table.trials} == set(methods.names())
    assert {trial.config.code_length for trial in table.trials} == {16, 32, 64}
    ablation = make_plan(specs["sorter_ablation"])
    assert {trial.config.sorter.name for trial in ablation.trials} == {
        "softsort", "neuralsort", "torchsort", "diffsort_odd_even", "diffsort_bitonic", "sinkhorn", "argsort",
    }  # fmt: skip
    assert len(specs["sorter_ablation"].arms) == 10
    assert {trial.config.loss.surrogate for trial in ablation.trials} == {"sorted_nce", "listwise", "pairwise"}
    assert specs["sorter_ablation"].seeds >= 5
    bits = {trial.config.code_length for trial in make_plan(specs["code_length"]).trials}
    assert (min(bits), max(bits)) == (8, 128)
    for spec in specs.values():
        plan = make_plan(spec)
        assert len({trial.config.digest() for trial in plan.trials}) == len(plan.trials)
        assert spec.reference_arm in [trial.arm for trial in plan.trials]


def test_arms_win_over_assignments_and_those_over_the_base(spec_file):
    plan = make_plan(load_spec(str(spec_file)), assignments=("code_length=16", "sorter.name=neuralsort"), seeds=1)
    assert [(t.arm.name, t.config.sorter.name, t.config.code_length) for t in plan.trials] == [
        ("softsort", "softsort", 16), ("argsort", "argsort", 16),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("sorter.name=softsrt", "--set sorter.name: sorter: unknown sorter 'softsrt', .*; did you mean 'softsort'"),
        ("seed=first", "--set seed: seed: Input should be a valid integer"),
    ],
)
def test_an_assignment_that_every_trial_replaces_must_be_allowed_all_the_same(spec_file, assignment, message):
    with pytest.raises(UserError, match=message):
        make_plan(load_spec(str(spec_file)), assignments=(assignment,))


def test_a_base_that_every_arm_replaces_must_be_allowed_all_the_same(spec_file):
    spec_file.write_text(SPEC.replace("base: {", "base: {sorter.name: softsrt, "))
    with pytest.raises(UserError, match=r"study tiny, base sorter\.name: sorter: unknown sorter 'softsrt'"):
        make_plan(load_spec(str(spec_file)))


def test_what_is_allowed_beside_the_settings_of_arms_alone_is_no_mistake(spec_file):
    spec_file.write_text(SPEC.replace("[softsort, argsort]", "[diffsort_bitonic, diffsort_odd_even]").replace(
        "{sorter.name: softsort}", "{sorter.name: diffsort_bitonic}"
    ))  # fmt: skip
    plan = make_plan(load_spec(str(spec_file)), assignments=("sorter.options.distribution=cauchy",))
    assert {trial.config.sorter.options["distribution"] for trial in plan.trials} == {"cauchy"}


def test_no_data_set_is_not_the_default(spec_file):
    assert make_plan(load_spec(str(spec_file))).dataset == "digits"
    assert make_plan(load_spec(str(spec_file)), "").dataset == ""


def test_keys_tell_data_and_overrides_apart(spec_file):
    spec = load_spec(str(spec_file))
    keys = [
        make_plan(spec).key,
        make_plan(spec, "features:a/f.npz").key,
        make_plan(spec, "features:b/f.npz").key,
        make_plan(spec, assignments=("code_length=16",)).key,
        make_plan(spec, assignments=("code_length=32",)).key,
    ]
    assert keys[0] == "tiny"
    assert len(set(keys)) == 5
    assert all(set(key) <= set("abcdefghijklmnopqrstuvwxyz0123456789_@+-") for key in keys)
    assert make_plan(spec, seeds=7).key == "tiny"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("question: Does the tiny study run?", "", "question: Field required"),
        ("seeds: 2", "seeds: 0", "seeds: .*greater than or equal to 1, got 0"),
        ("seeds: 2", "sedes: 2", "sedes: unknown setting, got 2"),
        ("seeds: 2", "sedes: 2", "known: name, question, .*, figures; did you mean 'seeds'"),
        ("seeds: 2", "tune: {trails: 2}", "tune.trails: unknown setting, got 2, known: trials, .*mean 'trials'"),
        ("seeds: 2", "within: [foo]", r"tiny.yaml: within must name some of the factors \(sorter.name\)"),
        ("[softsort, argsort]", "[softsort, softsort]", "needs levels, each once"),
        ("{sorter.name: softsort}\nseeds", "{sorter.name: sinkhorn}\nseeds", "'sinkhorn' of 'sorter.name' is none of"),
        ("reference: {sorter.name: softsort}", "reference: {}", "reference must name a level of each factor"),
        ("[arms, curves", "[pies, curves", "figures.0: Input should be .*got 'pies'"),
    ],
)
def test_specs_that_do_not_fit_are_named(spec_file, old, new, message):
    assert old in SPEC
    spec_file.write_text(SPEC.replace(old, new))
    with pytest.raises(UserError, match=message) as caught:
        load_spec(str(spec_file))
    assert str(spec_file) in str(caught.value)


def test_an_arm_that_does_not_fit_is_named(spec_file):
    spec_file.write_text(SPEC.replace("[softsort, argsort]", "[softsort, quicksort]"))
    with pytest.raises(UserError, match="study tiny, arm 'quicksort': sorter: unknown sorter"):
        make_plan(load_spec(str(spec_file)))


def spec_of(**changes: object) -> StudySpec:
    settings = {
        "name": "n", "question": "q", "factors": {"s": {"x": {}, "y": {}, "z": {}}, "code_length": [8, 16]},
        "reference": {"s": "x", "code_length": 8}, "within": ["code_length"],
    }  # fmt: skip
    return StudySpec.model_validate(settings | changes)


def test_contrasts_are_those_that_a_study_names_in_each_group():
    default = spec_of().contrasts
    assert [(one.arm, one.reference, one.group) for one in default[:2]] == [
        ("s=y, code_length=8", "s=x, code_length=8", "code_length=8"),
        ("s=y, code_length=16", "s=x, code_length=16", "code_length=16"),
    ]
    assert len(default) == 4
    named = spec_of(comparisons={"first?": [["y", "z"]], "second?": [["x", "z"], ["y", "x"]]}).contrasts
    assert [one.question for one in named] == ["first?"] * 2 + ["second?"] * 4
    assert {(one.arm, one.reference) for one in named if one.question == "first?"} == {
        ("s=y, code_length=8", "s=z, code_length=8"), ("s=y, code_length=16", "s=z, code_length=16"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([["y", "v"]], r"there is no arm 'v', known: x, y, z"),
        ([["y", "z"], ["z", "y"]], "needs pairs of two arms, each pair once"),
        ([["y", "y"]], "needs pairs of two arms"),
        ([], "needs pairs of two arms"),
    ],
)
def test_contrasts_that_do_not_fit_are_named(pairs, message):
    with pytest.raises(ValidationError, match=message):
        spec_of(comparisons={"first?": pairs})


def test_a_mode_that_compares_no_arms_takes_no_contrasts():
    spec = spec_of(comparisons={"first?": [["y", "z"]]})
    for mode in ("pareto", "one_factor"):
        assert with_mode(spec, mode, None).comparisons == {}
    with pytest.raises(ValidationError, match="mode pareto compares no arms with one another"):
        spec_of(comparisons={"first?": [["y", "z"]]}, mode="pareto")
