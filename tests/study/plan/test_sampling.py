import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsh_core import UserError
from nsh_core.methods import Range
from study.analysis.results import read_results
from study.plan.budget import SamplerConfig
from study.plan.loading import load_spec, with_mode
from study.plan.modes.pareto import pareto_front
from study.plan.planning import extended, make_plan
from study.plan.samplers import HALTON
from study.plan.sampling import ROUND, STARTUP, prune_below, suggest
from study.plan.tries import FinishedTrial
from tests.study.commands import outcome, report, run

TPE = SamplerConfig(name="tpe")
SPACE = {"x": Range(0.01, 1.0), "k": Range(2, 32, step=1)}


def quality(settings: dict) -> float:
    return -abs(np.log(settings["x"] / 0.2)) - 0.1 * abs(np.log(settings["k"] / 8))


def search(sampler: str, count: int) -> list[FinishedTrial]:
    tried = [FinishedTrial(settings, "complete", quality(settings)) for settings in HALTON(SPACE, STARTUP, 3)]
    while len(tried) < count:
        more = suggest(SamplerConfig(name=sampler), SPACE, {"x": 0.1, "k": 5}, tried, count - len(tried), stream=7)
        tried += [FinishedTrial(settings, "complete", quality(settings)) for settings in more]
    return tried


def bowl(centre: np.ndarray, sampler: str, stream: int) -> float:
    """The best of 20 tries for the peak of a bowl in five settings."""
    space = {f"x{place}": Range(0.01, 1.0) for place in range(len(centre))}

    def value(settings: dict) -> float:
        return -sum((np.log(settings[name] / peak)) ** 2 for name, peak in zip(space, centre, strict=True))

    points = HALTON(space, 20 if sampler == "halton" else STARTUP, stream)
    tried = [FinishedTrial(settings, "complete", value(settings)) for settings in points]
    while len(tried) < 20:
        more = suggest(SamplerConfig(name=sampler), space, dict.fromkeys(space, 0.1), tried, 20 - len(tried), stream)
        tried += [FinishedTrial(settings, "complete", value(settings)) for settings in more]
    return max(one.value for one in tried)


@pytest.mark.slow(4)
@pytest.mark.parametrize("sampler", ["tpe", "gp"])
def test_samplers_that_learn_find_more_than_the_halton_sequence(sampler):
    centres = np.random.default_rng(0).uniform(0.03, 0.5, (4, 5))
    learned, blind = ([bowl(own, kind, n) for n, own in enumerate(centres)] for kind in (sampler, "halton"))
    assert np.mean(learned) > np.mean(blind) + 0.5


@pytest.mark.parametrize("sampler", ["tpe", "gp"])
def test_suggestions_repeat_and_stay_within_their_ranges(sampler):
    tried = search(sampler, 15)
    assert len(tried) == 15
    assert tried == search(sampler, 15)
    for one in tried:
        assert 0.01 <= one.settings["x"] <= 1.0
        assert one.settings["k"] in range(2, 33)


def test_a_round_is_no_larger_than_what_is_left_and_failures_are_left_out():
    tried = search("tpe", STARTUP)
    assert len(suggest(TPE, SPACE, {"x": 0.1, "k": 5}, tried, 100, 0)) == ROUND
    assert len(suggest(TPE, SPACE, {"x": 0.1, "k": 5}, tried, 1, 0)) == 1
    failed = [*tried, FinishedTrial({"x": 0.5, "k": 3}, "failed")]
    assert len(suggest(TPE, SPACE, {"x": 0.1, "k": 5}, failed, 2, 0)) == 2
    # The default configuration counts with what the config leaves open.
    assert len(suggest(TPE, SPACE, {"x": 0.1, "k": 5}, [*tried, FinishedTrial({}, "complete", 0.0)], 2, 0)) == 2


def test_tries_are_pruned_below_the_median_of_earlier_ones_at_the_same_epoch():
    tried = [
        FinishedTrial({}, "complete", 0.0, 1.0, {1: value, 2: value + 0.1, 3: 0.9}) for value in (0.1, 0.2, 0.3, 0.6)
    ]
    assert prune_below(tried) == pytest.approx({1: 0.25, 2: 0.35})
    assert prune_below(tried[:3]) == {}
    # A pruned try has no say in epochs that it did not reach.
    assert prune_below([*tried, FinishedTrial({}, "pruned", 0.0, 1.0, {1: 0.0})]) == pytest.approx({1: 0.2, 2: 0.35})


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 2)), min_size=1, max_size=25))
def test_the_front_is_what_no_point_dominates(points):
    def beats(one, other):
        return all(a <= b for a, b in zip(one, other, strict=True)) and one != other

    front = pareto_front(points)
    assert front == [place for place, own in enumerate(points) if not any(beats(other, own) for other in points)]


SPEC = """\
question: Which one?
base: {code_length: 16, train.epochs: 4, train.evaluate_every: 1}
factors:
  sorter.name: [softsort, argsort]
  loss.num_positives: [2, 5]
reference: {sorter.name: softsort, loss.num_positives: 5}
seeds: 2
figures: [arms]
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "small.yaml").write_text(SPEC)
    return tmp_path / "small.yaml"


def test_another_mode_has_a_name_budget_and_figures_of_its_own(file):
    spec = with_mode(load_spec(str(file)), "tuned", 12)
    assert (spec.name, spec.mode, spec.tune.trials, spec.tune.sampler.name) == ("small-tuned", "tuned", 12, "tpe")
    assert spec.figures[:3] == ["budget", "tuning", "importance"]
    assert with_mode(spec, "tuned", None) == spec
    with pytest.raises(UserError, match=r"unknown mode 'random', known: grid, tuned, one_factor, pareto$"):
        with_mode(spec, "random", None)
    for asked, budget in (("trials", (3,)), ("tune_each_seed", (None, True)), ("trials and tune_each_seed", (3, True))):
        line = f"^study small: mode grid tunes nothing: leave out {asked}, or choose among the modes tuned, "
        with pytest.raises(UserError, match=line):
            with_mode(load_spec(str(file)), None, *budget)
    file.write_text(SPEC + "mode: grid\ntune: {trials: 3}\n")
    with pytest.raises(UserError, match=r"mode grid tunes nothing: leave out `tune`, or choose among the modes tuned"):
        load_spec(str(file))


def test_the_space_of_a_sorter_without_temperature_has_none(file):
    plan = make_plan(with_mode(load_spec(str(file)), "tuned", 20))
    for trial in plan.trials:
        if trial.tuned:
            assert ("sorter.temperature" in trial.tuned) == (trial.config.sorter.name == "softsort")
            assert "loss.num_positives" not in trial.tuned


def test_one_factor_varies_the_tuned_reference_arm(file):
    spec = with_mode(load_spec(str(file)), "one_factor", 5)
    assert [arm.name for arm in spec.arms] == ["tuned", "sorter=argsort", "num_positives=2"]
    plan = make_plan(spec)
    assert {trial.arm.name for trial in plan.trials} == {"tuned"}
    assert all("loss.num_positives" in trial.tuned for trial in plan.trials[1:])
    tried = {
        trial.config.digest(): FinishedTrial(trial.tuned, "complete", float(number == 3), 1.0)
        for number, trial in enumerate(plan.trials)
    }
    finals = {trial.arm.name: trial.config for trial in extended(plan, tried).trials if not trial.tuning}
    best = plan.trials[3].config
    assert finals["tuned"].loss == best.loss
    assert finals["num_positives=2"].loss.num_positives == 2
    assert finals["num_positives=2"].sorter == best.sorter
    # A temperature of one sorter says nothing about another.
    assert finals["sorter=argsort"].sorter.temperature is None
    assert finals["sorter=argsort"].loss == best.loss


@pytest.mark.slow(60)
def test_a_tuned_study_is_the_same_for_any_number_of_jobs_and_its_report_tells(file, tmp_path):
    file.write_text(SPEC.replace("  loss.num_positives: [2, 5]\n", "").replace(", loss.num_positives: 5", ""))
    options = ("--study", file, "--mode", "tuned", "--trials", 13, "--set", "code_length=8")
    for results, jobs, stack in (("one", 1, 1), ("two", 2, 4)):
        made = run(*options, "--results", tmp_path / results, "--jobs", jobs, "--batch-trials", stack)
        assert made.returncode == 0, made.stderr
    folder = next((tmp_path / "one").glob("small-tuned+*"))
    trials = outcome(folder)
    pd.testing.assert_frame_equal(trials, outcome(tmp_path / "two" / folder.name))
    assert trials.phase.value_counts().to_dict() == {"tuning": 26, "final": 4}
    pruned = trials[trials.state == "pruned"]
    assert len(pruned)
    assert (pruned.phase == "tuning").all()
    stored = pd.read_parquet(folder / "curves.parquet")
    assert set(stored.arm) == set(trials.arm)
    for arm, tries in trials[trials.phase == "tuning"].groupby("arm"):
        chosen = trials[(trials.phase == "final") & (trials.arm == arm)].tuned.unique()
        done = tries[tries.state == "complete"]
        assert list(chosen) == [done.loc[done.val_map.idxmax(), "tuned"]]

    written = report("--study", folder.name, "--results", tmp_path / "one", "--reports", tmp_path / "p")
    assert written.returncode == 0, written.stderr
    page = (tmp_path / "p" / folder.name / "report.md").read_text()
    for part in (
        "With a smaller tuning budget",
        "| 13 trials |",
        "Each arm was tuned once: nothing tells which of them would lead",
        "What tuning chose",
        "Nothing is told of fewer than 20 tries",
    ):
        assert part in page
    names = {path.name for path in (tmp_path / "p" / folder.name).glob("*.png")}
    assert names == {"budget.png", "tuning.png", "arms.png"}


@pytest.mark.slow(40)
def test_one_factor_and_pareto_run_and_report(file, tmp_path):
    for mode, extra in (("one_factor", ()), ("pareto", ("--seeds", 1))):
        options = ("--study", file, "--mode", mode, "--results", tmp_path / "r", "--batch-trials", 4)
        made = run(*options, "--trials", 4, *extra)
        assert made.returncode == 0, made.stderr
        written = report("--study", file, "--mode", mode, "--results", tmp_path / "r", "--reports", tmp_path / "p")
        assert written.returncode == 0, written.stderr
        assert (tmp_path / "p" / f"small-{mode}" / f"{mode}.png").exists()
    results = read_results(tmp_path / "r" / "small-one_factor")
    assert results.arms == ["tuned", "sorter=argsort", "num_positives=2"]
    assert set(results.tables.comparisons.reference) == {"tuned"}
    trials = read_results(tmp_path / "r" / "small-pareto").tables.trials
    tried = trials[trials.phase == "tuning"]
    assert tried.bits.nunique() > 3
    assert (tried.bits % 8 == 0).all()
    front = pareto_front(list(zip(-tried.val_map, tried.train_seconds, tried.bits, strict=True)))
    chosen = {(row.arm.partition(" #")[0], row.tuned) for row in trials[trials.phase == "final"].itertuples()}
    assert chosen <= {(tried.arm.iloc[place], tried.tuned.iloc[place]) for place in front}
    assert len(chosen) == min(12, len(front))
    assert json.loads(tried.tuned.iloc[1]).keys() >= {"code_length", "train.epochs"}
    assert "were beaten by no try in validation mAP" in (tmp_path / "p" / "small-pareto" / "report.md").read_text()
