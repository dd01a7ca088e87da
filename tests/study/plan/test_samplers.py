"""Samplers by name and by path, held against loops of Optuna's own."""

import hashlib
import sys
import zlib

import optuna
import pytest
from optuna._imports import _LazyImport
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.trial import create_trial

from nsh_core import UserError, plugins
from nsh_core.methods import Range
from study.plan.budget import SamplerConfig
from study.plan.loading import load_spec
from study.plan.planning import extended, make_plan
from study.plan.samplers import HALTON
from study.plan.sampling import STARTUP, suggest
from study.plan.trials import Plan
from study.plan.tries import FinishedTrial

SPACE = {"x": Range(0.01, 1.0), "y": Range(0.1, 10.0), "k": Range(2, 32, step=1)}
DISTRIBUTIONS = {
    "x": FloatDistribution(0.01, 1.0, log=True),
    "y": FloatDistribution(0.1, 10.0, log=True),
    "k": IntDistribution(2, 32, log=True),
}
SPEC = """\
question: Which one?
base: {code_length: 16, train.epochs: 4, train.evaluate_every: 1}
factors:
  sorter.name: [softsort, neuralsort]
reference: {sorter.name: softsort}
seeds: 2
figures: [arms]
tune: {trials: 18, sampler: %s}
"""
MINE = '''\
"""Samplers of a user's."""
from optuna.samplers import RandomSampler, TPESampler

class Mine(TPESampler):
    def __init__(self, low: int, **others):
        super().__init__(n_startup_trials=low, **others)

class Unseeded(RandomSampler):
    def __init__(self):
        super().__init__()

class Late(RandomSampler):
    def after_trial(self, study, trial, state, values):
        if len(study.trials) > 13:
            raise ValueError("too many\\ntrials")

class Never(RandomSampler):
    def infer_relative_search_space(self, study, trial):
        raise TypeError("categories alone")

class Thing:
    pass
'''


@pytest.fixture
def planned(tmp_path, monkeypatch):
    """The plan of a spec with a sampler, whose study lies in a folder with a plug-in."""
    (tmp_path / "my_samplers.py").write_text(MINE)
    monkeypatch.setattr(plugins, "_loaded", {})

    def make(sampler: str, *assignments: str, **others: str) -> Plan:
        (tmp_path / "small.yaml").write_text(SPEC % sampler + "plugins: [my_samplers.py]\n")
        return make_plan(load_spec(str(tmp_path / "small.yaml")), assignments=assignments)

    yield make
    for name in [name for name in sys.modules if name.startswith("my_samplers")]:
        del sys.modules[name]


def value(settings: dict) -> float:
    """Of a try: nothing that a sampler could learn from, the same everywhere."""
    return zlib.crc32(repr(sorted(settings.items())).encode()) / 2**32


def grown(plan: Plan, order: int = 1) -> Plan:
    """The plan to its end; -1: of the trials that could run, the last arm's are over first."""
    over: dict[str, FinishedTrial] = {}
    while True:
        waiting = [trial for trial in plan.trials if trial.tuning and trial.config.digest() not in over]
        if not waiting:
            return plan
        for trial in waiting[::order][:4]:
            over[trial.config.digest()] = FinishedTrial(trial.tuned, "complete", value(trial.tuned), 1.0)
        plan = extended(plan, over)


def digest(plan: Plan) -> str:
    return hashlib.sha256(" ".join(trial.config.digest() for trial in plan.trials).encode()).hexdigest()[:16]


@pytest.mark.parametrize(("sampler", "before"), [("tpe", "1a68ce99be1965c8"), ("halton", "551cbd72280dc003")])
def test_the_default_samplers_suggest_what_they_suggested_before_there_were_others(planned, sampler, before):
    assert digest(grown(planned(sampler))) == before


def chain(sampler: SamplerConfig, count: int) -> list[dict]:
    """All tries of a tuning, one of them failed, as studies ask for them."""
    tried = [FinishedTrial(settings, "complete", value(settings)) for settings in HALTON(SPACE, STARTUP, 3)]
    while len(tried) < count:
        for settings in suggest(sampler, SPACE, {}, tried, count - len(tried), stream=7):
            tried.append(
                FinishedTrial(settings, "failed")
                if len(tried) == 13
                else FinishedTrial(settings, "complete", value(settings))
            )
    return [one.settings for one in tried]


def loop(made: optuna.samplers.BaseSampler, count: int) -> list[dict]:
    """The same in one loop of Optuna's, with one sampler throughout."""
    study = optuna.create_study(direction="maximize", sampler=made)
    found = HALTON(SPACE, STARTUP, 3)
    for settings in found:
        study.add_trial(create_trial(params=settings, distributions=DISTRIBUTIONS, value=value(settings)))
    while len(found) < count:
        asked = [study.ask(DISTRIBUTIONS) for _ in range(min(4, count - len(found)))]
        for trial in asked:
            settings = {name: SPACE[name].near(trial.params[name]) for name in SPACE}
            failed = len(found) == 13
            study.tell(trial, **({"state": optuna.trial.TrialState.FAIL} if failed else {"values": value(settings)}))
            found.append(settings)
    return found


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize(
    ("sampler", "make"),
    [
        ("cmaes", lambda: optuna.samplers.CmaEsSampler(seed=7)),
        ({"name": "cmaes", "options": {"popsize": 4}}, lambda: optuna.samplers.CmaEsSampler(seed=7, popsize=4)),
        (
            {"name": "optuna.samplers:NSGAIISampler", "options": {"population_size": 5, "mutation_prob": 0.8}},
            lambda: optuna.samplers.NSGAIISampler(seed=7, population_size=5, mutation_prob=0.8),
        ),
        ("optuna.samplers:QMCSampler", lambda: optuna.samplers.QMCSampler(seed=7)),
    ],
)
def test_a_sampler_with_a_state_goes_on_as_in_one_loop_of_optunas(sampler, make):
    if sampler == "cmaes" or "popsize" in str(sampler):
        pytest.importorskip("cmaes")
    expected = loop(make(), 30)
    assert len({str(settings) for settings in expected}) == 30
    assert chain(SamplerConfig.model_validate(sampler), 30) == expected


def test_gp_suggests_what_a_new_sampler_does_that_is_told_all():
    tried = [FinishedTrial(settings, "complete", value(settings)) for settings in HALTON(SPACE, STARTUP, 3)]
    made = optuna.samplers.GPSampler(seed=7 + STARTUP, n_startup_trials=1, deterministic_objective=False)
    assert suggest(SamplerConfig(name="gp"), SPACE, {}, tried, 4, 7) == loop(made, STARTUP + 4)[STARTUP:]


@pytest.mark.parametrize(
    "sampler", ["random", "optuna.samplers:NSGAIISampler", "{name: my_samplers:Mine, options: {low: 2}}"]
)
def test_tuning_does_not_depend_on_which_arm_is_faster(planned, sampler):
    plan = planned(sampler)
    names = {trial.arm.name for trial in plan.trials}
    ends = grown(plan), grown(plan, -1)
    assert ends[0] == ends[1] == grown(planned(sampler))
    # Each arm draws from a stream of its own.
    suggested = [[t.tuned.get("train.learning_rate") for t in ends[0].trials if t.arm.name == name] for name in names]
    assert len(suggested[0]) == 18 + 2
    assert not set(suggested[0][1:18]) & set(suggested[1][1:18])


def test_blind_samplers_plan_all_trials_at_once(planned):
    plan = planned("random")
    assert sum(trial.tuning for trial in plan.trials) == 2 * 18
    assert plan.trials[0].tuned == {}
    assert [trial.tuned for trial in plan.trials] != [trial.tuned for trial in planned("halton").trials]


ONE_INTEGER = (
    "train.learning_rate=0.001", "loss.nce_temperature=0.3", "loss.anchor_temperature=0.3", "sorter.temperature=1",
    "train.batch_size=32",
)  # fmt: skip


@pytest.mark.parametrize("sampler", ["tpe", "optuna.samplers:BruteForceSampler"])
def test_nothing_is_suggested_twice_and_tuning_ends_where_nothing_is_left(planned, sampler):
    plan = grown(planned(sampler, *ONE_INTEGER))
    [first, second] = [[t for t in plan.trials if t.arm.name == name] for name in ("softsort", "neuralsort")]
    for trials in (first, second):
        tried = [trial.tuned["loss.num_positives"] for trial in trials[1:-2]]
        assert set(tried) <= set(range(2, 9))
        assert len(set(tried)) >= 6
        after = tried[STARTUP - 1 :]
        assert len(set(after)) == len(after)
        assert not set(after) & {5, *tried[: STARTUP - 1]}
        # Its seeds run, though there were fewer tries than the budget.
        assert len(trials) < 18
        assert [trial.tuning for trial in trials[-2:]] == [False, False]


@pytest.mark.parametrize(
    ("sampler", "line"),
    [
        (
            "cmeas",
            r"unknown sampler 'cmeas', known: tpe, gp, halton, cmaes, random, or module:Class; did you mean 'cmaes'\?",
        ),
        ("{name: tpe, options: {seed: 1}}", "tune.sampler.options: a sampler's seed is the arm's"),
        ("{name: random, options: {popsize: 4}}", "sampler 'random' has no options, got popsize"),
        ("{name: gp, options: {trials: 4}}", "arm 'softsort': sampler 'gp' failed: TypeError: .* argument 'trials'"),
        ("optuna.samplers:GridSampler", "failed: TypeError: .* missing 1 required positional argument: 'search_space'"),
        ("optuna.samplers:BruteForceSampler", "BruteForceSampler' failed: ValueError: FloatDistribution.step must be"),
        ("optuna.samplers:NSGASampler", "no 'NSGASampler' there, its samplers: .*; did you mean 'NSGAIISampler'"),
        ("my_smaplers:Mine", "needs the module 'my_smaplers': install it, or list its file under plugins"),
        ("'my_samplers:'", "no '' there, its samplers: Mine, Unseeded, Late, Never"),
        ("my_samplers:Thing", "sampler 'my_samplers:Thing' is a Thing, no optuna.samplers.BaseSampler"),
        ("my_samplers:Never", "sampler 'my_samplers:Never' failed: TypeError: categories alone"),
        ("my_samplers:Unseeded", "sampler 'my_samplers:Unseeded' does not suggest the same again"),
    ],
)
def test_what_cannot_be_used_is_told_when_a_study_is_planned(planned, sampler, line):
    with pytest.raises(UserError, match=line) as raised:
        planned(sampler)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("sampler", "package"), [("cmaes", "cmaes"), ("optunahub:samplers/one", "optunahub")])
def test_a_package_that_is_not_installed(planned, sampler, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    # Which an earlier test may have imported.
    monkeypatch.setattr("optuna.samplers._cmaes.cmaes", _LazyImport("cmaes"))
    with pytest.raises(
        UserError, match=rf"sampler '{sampler}' needs the module '{package}': pip install '.\[samplers\]'"
    ):
        planned(sampler)


def test_a_sampler_that_fails_later_is_told_in_one_line(planned):
    with pytest.raises(UserError, match=r"^sampler 'my_samplers:Late' failed: ValueError: too many trials$"):
        grown(planned("my_samplers:Late"))


def test_a_sampler_that_stops_the_study_ends_its_tuning(planned):
    grid = "{name: optuna.samplers:GridSampler, options: {search_space: {loss.num_positives: [2, 7]}}}"
    plan = grown(planned(grid, *ONE_INTEGER))
    assert sum(not trial.tuning for trial in plan.trials) == 4


def test_a_sampler_of_the_hub_that_was_fetched_before(planned, tmp_path, monkeypatch):
    pytest.importorskip("optunahub")
    monkeypatch.setenv("OPTUNAHUB_CACHE_HOME", str(tmp_path))
    for ref, name, low in (("main", "one", 2), ("abc123", "two", 100)):
        package = tmp_path / "github.com/optuna/optunahub-registry" / ref / "package/samplers" / name
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("from ._own import Hub\n__all__ = ['Hub']\n")
        own = MINE.replace("class Mine(", "class Hub(").replace("low: int", f"low: int = {low}")
        (package / "_own.py").write_text(own)
    for found, low in (("samplers/one:Hub", 2), ("samplers/two@abc123", 100)):
        same = f"{{name: my_samplers:Mine, options: {{low: {low}}}}}"
        assert digest(grown(planned(f"optunahub:{found}"))) == digest(grown(planned(same)))
