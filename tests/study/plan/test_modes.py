import json

import numpy as np
import pandas as pd
import pytest

from nsh_core import UserError, load_dataset, make_config
from nsh_core.methods import method
from study.analysis.gallery import make_gallery
from study.analysis.results import read_results
from study.analysis.tables import over as have_results
from study.analysis.verify import verify
from study.plan.loading import load_spec
from study.plan.planning import extended, make_plan
from study.plan.spec import StudySpec
from study.plan.tries import FinishedTrial, tries_of
from tests.study.commands import TUNED_SPEC as SPEC
from tests.study.commands import outcome, report, run


@pytest.fixture
def spec(tmp_path) -> StudySpec:
    (tmp_path / "tuned.yaml").write_text(SPEC)
    return load_spec(str(tmp_path / "tuned.yaml"))


def test_every_arm_that_can_be_tuned_gets_the_same_number_of_trials(spec):
    plan = make_plan(spec)
    tuning = [trial for trial in plan.trials if trial.tuning]
    counts = pd.Series([trial.arm.name for trial in tuning]).value_counts()
    assert counts.to_dict() == dict.fromkeys(
        [f"method={name}, code_length={bits}" for name in ("nsh", "cibhash") for bits in (8, 12)], 3
    )
    finals = [trial for trial in plan.trials if not trial.tuning]
    assert [(trial.config.method.name, trial.seed) for trial in finals] == [("lsh", 0), ("lsh", 1)] * 2
    assert {trial.seed for trial in tuning} == {77}
    assert make_plan(spec) == plan


def test_the_first_try_is_the_default_and_the_others_lie_in_the_search_space(spec):
    plan = make_plan(spec)
    for name in ("nsh", "cibhash"):
        tries = [trial for trial in plan.trials if trial.tuning and trial.config.method.name == name]
        space = method(name).search_space(make_config({"method": {"name": name}}))
        assert tries[0].tuned == {}
        assert len({json.dumps(trial.tuned) for trial in tries[:3]}) == 3
        for trial in [*tries[1:3], *tries[4:]]:
            assert set(trial.tuned) == set(space)
            assert all(space[setting].low <= value <= space[setting].high for setting, value in trial.tuned.items())
            settings = trial.config.model_dump()
            for dotted, value in trial.tuned.items():
                node = settings
                for part in dotted.split("."):
                    node = node[part]
                assert node == value


def test_what_an_arm_or_a_user_sets_is_not_tuned(spec):
    plan = make_plan(spec, assignments=("train.learning_rate=0.002",))
    assert all(trial.config.train.learning_rate == 0.002 for trial in plan.trials)
    assert not any("train.learning_rate" in trial.tuned for trial in plan.trials)
    fixed = spec.model_copy(
        update={
            "factors": {"sorter.temperature": [1.0, 2.0]},
            "reference": {"sorter.temperature": 1.0},
            "within": [],
        }
    )
    assert all("sorter.temperature" not in trial.tuned for trial in make_plan(fixed).trials)


def test_an_arm_with_a_recipe_follows_it_and_is_not_tuned(tmp_path):
    levels = "nsh: {}, published: {method.name: cibhash, recipe: published, train.batch_size: 50}, "
    (tmp_path / "tuned.yaml").write_text(SPEC.replace("nsh: {}, ", levels))
    trials = make_plan(load_spec(str(tmp_path / "tuned.yaml"))).trials
    own = [trial for trial in trials if trial.arm.levels["method"] == "published"]
    assert [(trial.tuning, trial.seed) for trial in own] == [(False, 0), (False, 1)] * 2
    for trial in own:
        train = trial.config.train
        # The recipe wins over the base, what the arm says itself over the recipe.
        assert (train.epochs, train.batch_size, trial.config.model.hash_head) == (60, 50, "mlp")
        assert train.evaluate_every == 10
    plan = make_plan(load_spec(str(tmp_path / "tuned.yaml")), assignments=("recipe=published", "train.epochs=7"))
    assert not any(trial.tuning for trial in plan.trials)
    assert {trial.config.train.epochs for trial in plan.trials} == {7}
    in_base = SPEC.replace("base: {", "base: {recipe: published, ")
    (tmp_path / "tuned.yaml").write_text(in_base)
    plan = make_plan(load_spec(str(tmp_path / "tuned.yaml")))
    assert {(trial.tuning, trial.config.train.epochs) for trial in plan.trials} == {(False, 2)}
    (tmp_path / "tuned.yaml").write_text(in_base.replace("within: [code_length]\n", "mode: pareto\n"))
    with pytest.raises(UserError, match=r"mode pareto explores settings, and a recipe leaves none to explore"):
        load_spec(str(tmp_path / "tuned.yaml"))
    (tmp_path / "tuned.yaml").write_text(SPEC.replace("lsh: {", "lsh: {recipe: null, "))
    with pytest.raises(UserError, match=r"recipe must be published, or be left out, got None"):
        make_plan(load_spec(str(tmp_path / "tuned.yaml")))
    (tmp_path / "tuned.yaml").write_text(SPEC.replace("lsh: {", "lsh: {recipe: best, "))
    with pytest.raises(UserError, match=r"arm 'method=lsh, code_length=8': recipe must be published, or be left out"):
        make_plan(load_spec(str(tmp_path / "tuned.yaml")))


def over(plan, value=lambda trial: 0.5, state="complete"):
    """All tries of a plan as over."""
    tries = [trial for trial in plan.trials if trial.tuning]
    return {trial.config.digest(): FinishedTrial(trial.tuned, state, value(trial), 1.0) for trial in tries}


def test_final_trials_carry_the_best_settings_and_fresh_seeds(spec):
    plan = make_plan(spec)
    arm = "method=nsh, code_length=8"
    tries = [trial for trial in plan.trials if trial.arm.name == arm]
    best = tries[1]
    tried = over(plan, lambda trial: 0.6 if trial == best else 0.5)
    finals = [trial for trial in extended(plan, tried).trials if trial.arm.name == arm and not trial.tuning]
    assert [trial.seed for trial in finals] == [0, 1]
    assert all(trial.tuned == best.tuned for trial in finals)
    assert extended(extended(plan, tried), tried) == extended(plan, tried)
    # One arm whose tries are not all over waits, the others do not.
    del tried[tries[0].config.digest()]
    arms = {trial.arm.name for trial in extended(plan, tried).trials if not trial.tuning}
    assert arm not in arms
    assert "method=nsh, code_length=12" in arms


def test_each_seed_can_have_a_tuning_of_its_own(tmp_path):
    (tmp_path / "tuned.yaml").write_text(SPEC.replace("sampler: halton", "sampler: halton, each_seed: true"))
    spec = load_spec(str(tmp_path / "tuned.yaml"))
    plan = make_plan(spec)
    arm = "method=nsh, code_length=8"
    tries = [trial for trial in plan.trials if trial.arm.name == arm]
    assert [trial.seed for trial in tries] == [77, 77, 77, 78, 78, 78]
    assert tries[0].tuned == tries[3].tuned == {}
    assert len({json.dumps(trial.tuned) for trial in tries}) == 5
    # The first tuning is that of a study that tunes once.
    once = make_plan(spec.model_copy(update={"tune": spec.tune.model_copy(update={"each_seed": False})}))
    assert tries[:3] == [trial for trial in once.trials if trial.arm.name == arm]
    best = {tries[1].config.digest(), tries[5].config.digest()}
    tried = over(plan, lambda trial: 0.6 if trial.config.digest() in best else 0.5)
    finals = [trial for trial in extended(plan, tried).trials if trial.arm.name == arm and not trial.tuning]
    assert [(trial.seed, trial.tuned) for trial in finals] == [(0, tries[1].tuned), (1, tries[5].tuned)]
    # The arm waits for all of its tunings.
    del tried[tries[5].config.digest()]
    assert arm not in {trial.arm.name for trial in extended(plan, tried).trials if not trial.tuning}
    # Arms without a search have one final run a seed, and no tuning.
    shallow = [trial for trial in plan.trials if trial.config.method.name == "lsh"]
    assert [(trial.seed, trial.tuning) for trial in shallow] == [(0, False), (1, False)] * 2


def test_a_try_can_be_judged_by_the_mean_over_several_seeds(tmp_path):
    text = SPEC.replace("sampler: halton", "sampler: tpe, seeds: 2, each_seed: true").replace("trials: 3", "trials: 10")
    (tmp_path / "tuned.yaml").write_text(text)
    plan = make_plan(load_spec(str(tmp_path / "tuned.yaml")))
    arm = "method=nsh, code_length=8"
    tries = [trial for trial in plan.trials if trial.arm.name == arm]
    # Two tunings of eight tries in the first round, each with two seeds of its own.
    assert [trial.seed for trial in tries] == [77, 78] * 8 + [79, 80] * 8
    assert all(first.tuned == second.tuned for first, second in zip(tries[::2], tries[1::2], strict=True))
    assert len({json.dumps(trial.tuned) for trial in tries[:16]}) == 8
    # The second try has the best single run, the third the best mean.
    lucky, good = {tries[2].config.digest()}, {tries[4].config.digest(), tries[5].config.digest()}

    def value(trial) -> float:
        digest = trial.config.digest()
        return 0.7 if digest in lucky else 0.65 if digest in good else 0.5

    plan = extended(plan, over(plan, value))
    rest = [trial for trial in plan.trials if trial.arm.name == arm][len(tries) :]
    assert [trial.seed for trial in rest] == [77, 78, 77, 78, 79, 80, 79, 80]
    finals = [trial for trial in extended(plan, over(plan, value)).trials if trial.arm.name == arm and not trial.tuning]
    assert [trial.seed for trial in finals] == [0, 1]
    assert finals[0].tuned == tries[4].tuned


def test_a_try_is_as_good_as_all_of_its_seeds():
    done = FinishedTrial({"x": 1}, "complete", 0.6, 2.0, {1: 0.3, 2: 0.6})
    other = FinishedTrial({"x": 1}, "complete", 0.4, 4.0, {1: 0.1, 2: 0.4})
    stopped = FinishedTrial({"x": 1}, "pruned", 0.1, 1.0, {1: 0.1})
    [mean] = tries_of([done, other], 2)
    assert (mean.state, mean.value, mean.seconds) == ("complete", pytest.approx(0.5), 3.0)
    assert mean.steps == pytest.approx({1: 0.2, 2: 0.5})
    assert [one.state for one in tries_of([done, stopped, done, FinishedTrial({}, "failed")], 2)] == [
        "pruned",
        "failed",
    ]
    assert tries_of([done, other], 1) == [done, other]


def test_other_modes_tune_once(tmp_path):
    text = SPEC.replace("within: [code_length]\n", "mode: pareto\n").replace("seed: 77", "seed: 77, each_seed: true")
    (tmp_path / "tuned.yaml").write_text(text)
    with pytest.raises(UserError, match=r"mode pareto tunes once: leave out tune.each_seed, or take mode tuned"):
        load_spec(str(tmp_path / "tuned.yaml"))


def test_rounds_of_several_tunings_go_on_by_themselves(tmp_path):
    text = SPEC.replace("{trials: 3, seed: 77, sampler: halton}", "{trials: 10, seed: 77, each_seed: true}")
    (tmp_path / "tuned.yaml").write_text(text)
    plan = make_plan(load_spec(str(tmp_path / "tuned.yaml")))
    arm = "method=nsh, code_length=8"
    first = [trial for trial in plan.trials if trial.arm.name == arm]
    assert [trial.seed for trial in first] == [77] * 8 + [78] * 8
    tried = over(plan)
    del tried[first[8].config.digest()]
    later = [trial for trial in extended(plan, tried).trials if trial.arm.name == arm]
    assert [trial.seed for trial in later if trial not in first] == [77, 77]


def test_an_arm_of_which_all_tries_failed_has_no_final_trials(spec):
    plan = make_plan(spec)
    finals = [trial for trial in extended(plan, over(plan, state="failed")).trials if not trial.tuning]
    assert {trial.config.method.name for trial in finals} == {"lsh"}


def test_the_tuning_seed_is_none_of_the_final_ones(spec, tmp_path):
    with pytest.raises(UserError, match=r"tune\.seed = 77 is one of the 100 seeds"):
        make_plan(spec, seeds=100)
    (tmp_path / "tuned.yaml").write_text(SPEC.replace("seed: 77", "seed: 1"))
    with pytest.raises(UserError, match=r"tune\.seed = 1 is one of the 2 seeds"):
        load_spec(str(tmp_path / "tuned.yaml"))
    (tmp_path / "tuned.yaml").write_text(SPEC.replace("[code_length]", "[bits]"))
    with pytest.raises(
        UserError, match=r"within must name some of the factors \(method, code_length\), got \['bits'\]"
    ):
        load_spec(str(tmp_path / "tuned.yaml"))


@pytest.mark.slow(50)
def test_a_tuned_study_runs_goes_on_and_reports(tuned, digits, tmp_path):
    (tmp_path / "tuned.yaml").write_text(SPEC)
    options = ("--study", tmp_path / "tuned.yaml", "--batch-trials", 3)
    trials = pd.read_parquet(tuned / "tuned" / "trials.parquet")
    assert trials.phase.value_counts().to_dict() == {"tuning": 12, "final": 12}
    assert have_results(trials).all()
    # A try may diverge: it counts as one, and the study is complete.
    assert set(trials[trials.state == "failed"].failure.str.partition(":")[0]) == {"code_collapse"}
    tuning, final = trials[trials.phase == "tuning"], trials[trials.phase == "final"]
    # Test queries are no part of tuning.
    assert tuning.test_map.isna().all()
    assert (final.state == "complete").all()
    assert final.test_map.notna().all()
    for arm, tries in tuning.groupby("arm"):
        best = tries.loc[tries.val_map.idxmax(), "tuned"]
        assert set(final[final.arm == arm].tuned) == {best}
    comparisons = pd.read_csv(tuned / "tuned" / "comparisons.csv")
    assert set(comparisons.reference) == {"method=cibhash, code_length=8", "method=cibhash, code_length=12"}
    for row in comparisons.itertuples():
        assert row.arm.partition("code_length")[2] == row.reference.partition("code_length")[2]
    index = np.load(tuned / "tuned" / "splits.npz")
    assert [len(index[name]) for name in ("train", "database", "validation", "test")] == [1197, 1197, 300, 300]

    again = verify(tuned / "tuned", digits, "tuning:1", 1)
    assert again.holds
    assert again.lines[0].startswith("trial tuning:1: method=nsh, code_length=8, seed 77, tuning")
    known = "final trials 0 to 11 and tuning trials tuning:0 to tuning:11"
    for unknown in ("12", "tuning:12", "01"):
        with pytest.raises(UserError, match=f"has {known}, got {unknown}$"):
            verify(tuned / "tuned", digits, unknown, 1)
    with pytest.raises(
        UserError, match=r"^the trial to verify must be the number of a final one, or tuning:NUMBER of a try, got 'x:1'"
    ):
        verify(tuned / "tuned", digits, "x:1", 1)

    part = run(*options, "--results", tmp_path / "part", "--limit", 9)
    assert part.returncode == 1
    assert "tuning trials missing" in part.stdout
    assert run(*options, "--results", tmp_path / "part", "--jobs", 2).returncode == 0
    pd.testing.assert_frame_equal(outcome(tmp_path / "part" / "tuned"), outcome(tuned / "tuned"))

    made = report("--study", "tuned", "--results", tuned, "--reports", tmp_path / "p")
    assert made.returncode == 0, made.stderr
    names = {path.name for path in (tmp_path / "p" / "tuned").glob("*.png")}
    assert names == {"bits.png", "arms.png", "tuning.png", "label_free.png", "health.png", "gallery.png"}
    page = (tmp_path / "p" / "tuned" / "report.html").read_text()
    for part in (
        "What tuning chose",
        "Selecting without labels",
        "continuous input, by cosine",
        "In class order, ties",
    ):
        assert part in page
    lines = (tmp_path / "p" / "tuned" / "report.md").read_text().splitlines()
    [row] = [line for line in lines if line.startswith("| method=cibhash, code_length=8 | 3 | 3 | ")]
    tries = tuning[tuning.arm == "method=cibhash, code_length=8"].set_index("tuned").val_map
    settings = json.loads(str(tries.idxmax()))
    chosen = ", ".join(f"{name} = {value}" for name, value in settings.items()) or "the defaults"
    assert row.endswith(f"| {'no' if settings else 'yes'} | {chosen} |")
    assert sum("| method=lsh, code_length=12 | 2 | not tuned |" in line for line in lines) == 1
    assert made.stdout.count("is best on the validation queries") == 2
    results = read_results(tuned / "tuned")
    assert results.gallery is not None
    assert results.gallery.nearest.shape == (6, 8, 10)


def test_a_gallery_marks_what_is_relevant(digits):
    lists = [[query * 10 + rank for rank in range(10)] for query in range(8)]
    trials = pd.DataFrame(
        {"arm": ["a", "a", "b"], "seed": [0, 1, 0], "nearest": [json.dumps(lists), None, json.dumps(lists)]}
    )
    gallery = make_gallery(trials, digits)
    assert list(gallery.arms) == ["a", "b"]
    queries = np.linspace(0, 299, 8).astype(int)
    for query in range(8):
        for rank in range(10):
            item = lists[query][rank]
            place = gallery.nearest[1, query, rank]
            ink = (255 * (1 - digits.database.items[item].reshape(8, 8))).round()
            np.testing.assert_array_equal(gallery.pictures[place], ink)
            same = digits.test.labels[queries[query]] == digits.database.labels[item]
            assert gallery.relevant[query, place] == same
    assert make_gallery(trials.assign(nearest=None), digits) is None


def test_data_without_pictures_have_no_gallery(feature_file):
    trials = pd.DataFrame({"arm": ["a"], "seed": [0], "nearest": ["[[0]]"]})
    assert make_gallery(trials, load_dataset(f"features:{feature_file}")) is None
