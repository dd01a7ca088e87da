import pytest
from pydantic import ValidationError

from nsh_core import UserError, methods, sorters
from study.plan import loading
from study.plan.loading import available, load_spec, with_mode
from study.plan.planning import make_plan, overruled
from study.plan.spec import StudySpec
from study.plan.trials import study_key
from tests.study.commands import SPEC


def test_the_shipped_studies():
    specs = {spec.name: spec for spec in available()}
    assert set(specs) == {
        "sorter_ablation", "temperature", "code_length", "selection", "loss_terms", "paper_table", "label_free",
        "around_optimum", "pareto", "transfer", "as_published", "first_ranks",
        "swaps", "nested", "from_scratch",
    }  # fmt: skip
    assert {name: specs[name].mode for name in ("around_optimum", "pareto", "paper_table", "selection")} == {
        "around_optimum": "one_factor", "pareto": "pareto", "paper_table": "tuned", "selection": "grid",
    }  # fmt: skip
    table = make_plan(specs["paper_table"])
    assert {trial.config.method.name for trial in table.trials} == set(methods.names())
    assert {trial.config.code_length for trial in table.trials} == {16, 32, 64}
    ablation = make_plan(specs["sorter_ablation"])
    assert {trial.config.sorter.name for trial in ablation.trials} == set(filter(sorters.sorts_lists, sorters.names()))
    assert len(specs["sorter_ablation"].arms) == 12
    assert {trial.config.loss.surrogate for trial in ablation.trials} == {"sorted_nce", "listwise", "pairwise"}
    assert specs["sorter_ablation"].seeds >= 5
    bits = {trial.config.code_length for trial in make_plan(specs["code_length"]).trials}
    assert (min(bits), max(bits)) == (8, 128)
    for spec in specs.values():
        plan = make_plan(spec)
        assert len({trial.config.digest() for trial in plan.trials}) == len(plan.trials)
        assert spec.reference_arm in [trial.arm for trial in plan.trials]


def test_a_copy_of_a_spec_has_the_arms_of_its_own_factors(spec_file):
    spec = load_spec(str(spec_file))
    assert spec.arms is spec.arms
    copy = spec.model_copy(update={"factors": {"code_length": [8, 12]}, "reference": {"code_length": 8}})
    assert [arm.overrides for arm in copy.arms] == [{"code_length": 8}, {"code_length": 12}]
    assert copy.overrides({"code_length": "12"}) == {"code_length": 12}
    assert spec.arms != copy.arms
    assert spec == load_spec(str(spec_file))


def test_arms_win_over_assignments_and_those_over_the_base(spec_file):
    levels = SPEC.replace("sorter.name: [softsort, argsort]", "s: {open: {}, fixed: {loss.gap: 2}}")
    spec_file.write_text(levels.replace("{sorter.name: softsort}", "{s: open}"))
    plan = make_plan(load_spec(str(spec_file)), assignments=("code_length=16", "loss.gap=1"), seeds=1)
    assert [(t.arm.name, t.config.loss.gap, t.config.code_length) for t in plan.trials] == [
        ("open", 1, 16), ("fixed", 2, 16),
    ]  # fmt: skip
    assert overruled(plan) == {"loss.gap": ["fixed"]}


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        (["sorter.name=neuralsort"], "setting sorter.name: every arm sets it itself, so this changes nothing"),
        (["loss.gap=1", "loss.gap=2"], "loss.gap given twice, as 1 and 2"),
        (["loss={gap: 1}", "loss.gap=2"], r"loss and loss.gap given twice, as {'gap': 1} and 2"),
        (["seed=7"], "setting seed: every arm runs with the seeds 0, 1, ..., as many as `seeds` says"),
    ],
)
def test_no_assignment_is_passed_over(spec_file, assignments, message):
    with pytest.raises(UserError, match=message):
        make_plan(load_spec(str(spec_file)), assignments=tuple(assignments))


@pytest.mark.parametrize("assignment", ["loss.gap=0", "sorter.temperature=1.0"])
def test_arms_that_come_to_the_same_settings_are_refused(spec_file, assignment):
    name, _, value = assignment.partition("=")
    levels = f"s: {{open: {{}}, fixed: {{{name}: {value}}}, other: {{code_length: 16}}}}"
    spec_file.write_text(SPEC.replace("sorter.name: [softsort, argsort]", levels).replace(
        "{sorter.name: softsort}", "{s: open}"
    ))  # fmt: skip
    with pytest.raises(UserError, match="study tiny: the arms 'open' and 'fixed' have the same settings"):
        make_plan(load_spec(str(spec_file)), assignments=(assignment,))


def test_a_plan_has_a_stated_size(spec_file):
    spec = load_spec(str(spec_file))
    with pytest.raises(UserError, match=r"^seeds must be at most 1000, got 100000000"):
        make_plan(spec, seeds=100_000_000)
    tuned = with_mode(spec, "tuned", 10_000, each_seed=True)
    with pytest.raises(UserError, match=r"comes to 20002000 trials \(2 arms, each with 1000 seeds and 10000000 of tun"):
        make_plan(tuned, seeds=1000)
    bits = ", ".join(map(str, range(1, 101)))
    factors = "".join(
        f"  loss.{name}: [{bits}]\n" for name in ("gap", "num_positives", "anchor_weight", "balance_weight")
    )
    spec_file.write_text(f"question: q\nfactors:\n{factors}reference: {{}}\n")
    with pytest.raises(UserError, match="reference must name a level of each factor"):
        load_spec(str(spec_file))
    named = ", ".join(f"loss.{name}: 1" for name in ("gap", "num_positives", "anchor_weight", "balance_weight"))
    spec_file.write_text(f"question: q\nfactors:\n{factors}reference: {{{named}}}\n")
    with pytest.raises(UserError, match="the levels of all factors make 100000000 arms, at most 10000 are planned"):
        load_spec(str(spec_file))


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("sorter.name=softsrt", "setting sorter.name: sorter: unknown sorter 'softsrt', .*; did you mean 'softsort'"),
        ("seed=first", "setting seed: seed: Input should be a valid integer"),
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


def test_a_path_is_one_data_set_however_it_is_spelt(spec_file, feature_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NSH_DATA", str(tmp_path / "data"))
    spec = load_spec(str(spec_file))

    def keys(*names: str) -> set[str]:
        return {study_key(spec, name, ()) for name in names}

    here = (
        "small.npz",
        "./small.npz",
        str(feature_file),
        "features:small.npz",
        f"features:{feature_file}",
        "./x/../small.npz",
    )
    assert len(keys(*here)) == 1
    assert study_key(spec.model_copy(update={"dataset": "features:./small.npz"}), "small.npz", ()) == "tiny"
    # The committed name: of a file in the data folder, and of one that is not on this machine.
    committed = {"tiny@cifar10_mobilenetv2-ced1"}
    cifar = "cifar10_mobilenetv2.npz"
    assert keys(cifar, f"features:{cifar}") == committed
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / cifar).touch()
    assert keys(cifar, f"features:./{cifar}", f"data/{cifar}", f"features:{tmp_path}/data/{cifar}") == committed
    (tmp_path / cifar).touch()
    assert len(keys(cifar, f"data/{cifar}")) == 2
    assert (
        len(keys("imagefolder:photos", "imagefolder:./photos/", f"imagefolder:{tmp_path}/photos", "list:photos")) == 2
    )
    assert len(keys("blobs:5", "blobs:./5", "digits", "")) == 4


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("question: Does the tiny study run?", "", "question: Field required"),
        ("seeds: 2", "seeds: 0", "seeds: .*greater than or equal to 1, got 0"),
        ("seeds: 2", "sedes: 2", "sedes: unknown setting, got 2"),
        ("seeds: 2", "sedes: 2", "known: name, question, .*, figures; did you mean 'seeds'"),
        ("seeds: 2", "tune: {trails: 2}", "tune.trails: unknown setting, got 2, known: objective, .*mean 'trials'"),
        ("seeds: 2", "within: [foo]", r"tiny.yaml: within must name some of the factors \(sorter.name\)"),
        ("[softsort, argsort]", "[softsort, softsort]", "needs levels, each once"),
        (
            "[softsort, argsort]",
            "[]",
            r"tiny.yaml: factors.sorter.name: a factor needs at least one level, .* got \[\]$",
        ),
        ("\n  sorter.name: [softsort, argsort]", " {}", "tiny.yaml: factors: a study needs at least one factor: "),
        (
            "[arms,",
            "[arm,",
            "figures.0: unknown figure 'arm', known: arms, heatmap, .*, gallery; did you mean 'arms'.$",
        ),
        ("seeds: 2", "tune: {objective: val_mpa}", "'val_mpa' is neither a .*, known: val_map, .*mean 'val_map'.$"),
        (
            "seeds: 2",
            "tune: {constraints: {encode_ms: {maxx: 3}}}",
            "tune.constraints.encode_ms.maxx: unknown setting, got 3, known: min, max; did you mean 'max'.$",
        ),
        (
            "[softsort, argsort]",
            "[softsort, null]",
            "factors.sorter.name.list.1: a level is text, a number, true or fa",
        ),
        ("[softsort, argsort]", "3", "factors.sorter.name: a factor is a list of values of its setting, or a mapping"),
        (
            "[softsort, argsort]",
            "[softsort, 2026-01-01]",
            "line 4: 2026-01-01 is read as a date: as text write '2026-01",
        ),
        ("[softsort, argsort]", "{no: {}, 1.0: {}}", "line 4: the name 1.0 is read as a number: as text write '1.0'"),
        ("seeds: 2", "name: 1.0", "name: Input should be a valid string, got 1.0: as text write it in quotes"),
        ("seeds: 2", "seeds: true", "seeds: Input should be a valid integer, got True"),
        ("seeds: 2", "seeds: 2\nseeds: 3", "line 7: found duplicate key .seeds. with value .3."),
        ("train.epochs: 2", "seed: 2", "base: seed is no setting of an arm"),
        ("train.epochs: 2", "train.epochs: 2, train: {}", "base sets train.epochs twice, as train too"),
        ("[softsort, argsort]", "[softsort, argsort]\n  seed: [1, 2]", "seed is no setting of an arm"),
        ("[softsort, argsort]", "{a: {seed: 1}}", "level 'a' of 'sorter.name': seed is no setting of an arm"),
        (
            "[softsort, argsort]",
            "[softsort]\n  s: {a: {sorter.name: sinkhorn}}",
            "both set sorter.name: one would repl",
        ),
        (
            "{sorter.name: softsort}\nseeds",
            "{sorter.name: sofsort}\nseeds",
            "softsort, argsort; did you mean 'softsort'",
        ),
        ("seeds: 2", "within: [sorter.nam]", "did you mean 'sorter.name'"),
        ("seeds: 2", "asks: facters", "asks: Input should be 'arms'.*got 'facters'; did you mean 'factors'"),
        ("{sorter.name: softsort}\nseeds", "{sorter.name: sinkhorn}\nseeds", "'sinkhorn' of 'sorter.name' is none of"),
        ("reference: {sorter.name: softsort}", "reference: {}", "reference must name a level of each factor"),
        ("[arms, curves", "[pies, curves", "figures.0: unknown figure 'pies', known: arms"),
    ],
)
def test_specs_that_do_not_fit_are_named(spec_file, old, new, message):
    assert old in SPEC
    spec_file.write_text(SPEC.replace(old, new))
    with pytest.raises(UserError, match=message) as caught:
        load_spec(str(spec_file))
    assert str(spec_file) in str(caught.value)


def test_the_reference_is_the_first_level_of_each_factor_unless_it_is_given(spec_file):
    second = "  positives: {few: {loss.num_positives: 1}, many: {loss.num_positives: 5}}\n"
    spec = SPEC.replace("[softsort, argsort]\n", f"[argsort, softsort]\n{second}")
    spec_file.write_text(spec.replace("reference: {sorter.name: softsort}\n", ""))
    by_file = load_spec(str(spec_file))
    assert by_file.reference_levels == {"sorter.name": "argsort", "positives": "few"}
    in_python = loading.spec_of("tiny", {"factors": by_file.factors})
    assert in_python.reference == by_file.reference


def test_an_arm_that_does_not_fit_is_named(spec_file):
    spec_file.write_text(SPEC.replace("[softsort, argsort]", "[softsort, quicksort]"))
    with pytest.raises(UserError, match="study tiny, arm 'quicksort': sorter: unknown sorter"):
        make_plan(load_spec(str(spec_file)))


def test_a_misspelt_file_is_named(spec_file):
    with pytest.raises(
        UserError, match=r"cannot read .*tniy.yaml: No such file or directory; did you mean 'tiny.yaml'"
    ):
        load_spec(str(spec_file.with_name("tniy.yaml")))


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


def named(factors: dict[str, object], **settings: object) -> StudySpec:
    return loading.spec_of("positives", {"factors": factors, "seeds": 2} | settings)


POSITIVES = {"loss.num_positives": [1, 5]}


@pytest.mark.parametrize(
    ("factors", "names"),
    [
        (POSITIVES, ["num_positives=1", "num_positives=5"]),
        ({"loss.stop_gradient": [True, False]}, ["stop_gradient=True", "stop_gradient=False"]),
        ({"loss.negatives": ["all", "random-8"]}, ["all", "random-8"]),
        ({"x": {"1": {}, "two": {"code_length": 8}}}, ["x=1", "two"]),
        (POSITIVES | {"code_length": [8]}, ["num_positives=1, code_length=8", "num_positives=5, code_length=8"]),
    ],
)
def test_a_number_alone_is_no_name_of_an_arm(factors, names):
    assert [arm.name for arm in named(factors).arms] == names


@pytest.mark.parametrize("pair", [["5", "1"], ["num_positives=5", "num_positives=1"]])
@pytest.mark.parametrize(("more", "within"), [({}, []), ({"sorter.name": ["softsort"]}, ["sorter.name"])])
def test_comparisons_may_leave_the_factor_out(pair, more, within):
    [contrast] = named(POSITIVES | more, within=within, comparisons={"More?": [pair]}).contrasts
    assert contrast.arm.startswith("num_positives=5")
    assert contrast.reference.startswith("num_positives=1")


def test_tuning_goes_on_as_it_did_when_a_number_was_a_name():
    digests = [trial.config.digest() for trial in make_plan(named(POSITIVES, tune={"trials": 4})).trials]
    assert digests == [
        "90cd02ad7527", "46256991399a", "85b8920ca220", "6381ee4d6f6f",
        "6e2b7fd42459", "7a9395d3259b", "77b70b9cbb76", "080f7bffe222",
    ]  # fmt: skip


def test_a_tuned_spec_has_the_figures_of_its_mode(spec_file):
    default = StudySpec.model_fields["figures"].default
    text = spec_file.read_text().replace("figures: [arms, curves, pr, health, cost, gallery]\n", "")
    for more, first in (("", []), ("tune: {}", ["budget", "tuning", "importance"]), ("mode: pareto", ["pareto"])):
        spec_file.write_text(f"{text}{more}\n")
        assert load_spec(str(spec_file)).figures == [*first, *default]
    spec_file.write_text(f"{text}tune: {{}}\nfigures: [curves]\n")
    assert load_spec(str(spec_file)).figures == ["curves"]
