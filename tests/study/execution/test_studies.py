"""A tuned study as Optuna has it: tries and final trials in a study each, and what an earlier version left in one."""

import hashlib
import shutil
import warnings
from collections import Counter
from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.importance import get_param_importances
from optuna.storages import RetryHeartbeatStaleTrialCallback
from optuna.trial import FrozenTrial, TrialState, create_trial

from nsh_core.methods import NSH, CIBHash, Range
from study.execution.attributes import known, own
from study.execution.claim import claim
from study.execution.growth import grow
from study.execution.queue import TrialQueue, interrupt
from study.execution.records import TrialFacts
from study.execution.trial import Outcome, record
from study.plan.loading import load_spec
from study.plan.planning import make_plan
from study.storage.opening import open_storage
from study.storage.optuna_internals import frozen
from study.storage.repair import damage, repair

SPEC = """\
question: Which sorter is best when tuned?
base: {code_length: 8, train.epochs: 2, train.evaluate_every: 1}
factors:
  sorter.name: [softsort, argsort]
reference: {sorter.name: softsort}
tune: {trials: 4, sampler: halton}
seeds: 2
"""


PRUNED_BELOW = 0.4


def result_of(trial: FrozenTrial) -> float:
    """The made-up result of a run, which its config alone decides."""
    return int(hashlib.sha256(own(trial, "config").encode()).hexdigest()[-8:], 16) / 2**32


class Player:
    """Runs a study, all but its training. url: of its storage. text: of its spec. ran: keys, as they were claimed."""

    def __init__(self, url: str, folder: Path, text: str = SPEC) -> None:
        (folder / "tuned.yaml").write_text(text)
        self.url, self.plan = url, make_plan(load_spec(str(folder / "tuned.yaml")))
        self.ran: list[str] = []

    def queue(self) -> TrialQueue:
        return TrialQueue(open_storage(self.url), self.plan, "data")

    def play(self, most: int = 1000) -> TrialQueue:
        """As many trials as are left, poor tries pruned; what is claimed beyond `most` is interrupted."""
        queue = self.queue()
        while True:
            queue.recover()
            grow(queue)
            queue.enqueue(queue.unfinished())
            claimed = claim(queue.studies, queue.storage, set(queue.latest()), lambda _: 3)
            if not claimed:
                return queue
            for one in claimed:
                trial = frozen(one.study, one)
                if len(self.ran) >= most:
                    interrupt(queue.storage, trial, "test")
                    continue
                value = result_of(trial)
                self.ran.append(own(trial, "key"))
                pruned = trial.user_attrs["phase"] == "tuning" and value < PRUNED_BELOW
                state = TrialState.PRUNED if pruned else TrialState.COMPLETE
                facts = TrialFacts({"val_map": value}, history=[{"epoch": 1, "val_map": value}])
                record(one.study, one, Outcome(state, facts, {1: value}), reported=False)
            if len(self.ran) >= most:
                return queue


@pytest.fixture
def player(tmp_path) -> Player:
    return Player(str(tmp_path / "o.journal"), tmp_path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Player:
    """A study that is through; to be read only."""
    folder = tmp_path_factory.mktemp("whole")
    played = Player(str(folder / "o.journal"), folder)
    played.play()
    return played


def test_tries_have_a_study_with_their_settings_as_parameters(whole):
    queue = whole.play()
    tries, finals = queue.studies
    assert (tries.study_name, finals.study_name) == ("tuned tuning", "tuned")
    assert queue.study is finals
    assert [len(tries.trials), len(finals.trials)] == [8, 4]
    sorters = CategoricalDistribution(["softsort", "argsort"])
    rate, positives = FloatDistribution(3e-4, 3e-2, log=True), IntDistribution(2, 16, log=True)
    planned, chosen = (
        {trial.config.digest(): trial for trial in queue.plan.trials if trial.tuning == tuning}
        for tuning in (True, False)
    )
    for trial in tries.trials:
        one = planned[own(trial, "key").partition("-")[0]]
        searched = set(trial.params) - {"sorter.name"}
        assert searched == {
            "train.learning_rate", "loss.num_positives", "loss.nce_temperature", "loss.anchor_temperature",
            *(["sorter.temperature"] if one.arm.name == "softsort" else []),
        }  # fmt: skip
        assert {name: trial.params[name] for name in searched} == {name: one.config.value_of(name) for name in searched}
        assert trial.params["sorter.name"] == one.arm.name
        for name, expected in (
            ("sorter.name", sorters),
            ("train.learning_rate", rate),
            ("loss.num_positives", positives),
        ):
            assert trial.distributions[name] == expected
        assert set(trial.user_attrs) == {"arm", "phase", "seed", "bits", "val_map"}
    # The first try is the default.
    assert (tries.trials[0].params["train.learning_rate"], tries.trials[0].params["loss.num_positives"]) == (1e-3, 5)
    pruned = [trial for trial in tries.trials if trial.state == TrialState.PRUNED]
    assert 1 < len(pruned) < 7
    assert all(trial.intermediate_values == {1: result_of(trial)} for trial in pruned)
    for trial in finals.trials:
        assert trial.params == {"sorter.name": trial.user_attrs["arm"]}
        one = chosen[own(trial, "key").partition("-")[0]]
        assert trial.user_attrs.get("tuned", {}) == one.tuned
        assert set(trial.user_attrs) - {"tuned"} == {"arm", "phase", "seed", "bits", "val_map"}
    assert any(one.tuned for one in chosen.values())
    assert set(get_param_importances(tries)) == {name for trial in tries.trials for name in trial.params}


def test_a_trial_that_runs_again_names_those_before_it_as_optuna_does(player):
    queue = player.queue()
    [key, *_] = queue.unfinished()
    for _ in range(3):
        queue.enqueue([key])
        [claimed] = claim(queue.studies, queue.storage, {key}, lambda _: 1)
        interrupt(queue.storage, frozen(claimed.study, claimed), "its process ended")
    queue.enqueue([key])
    trials = queue.studies[0].trials
    assert [trial.user_attrs.get("failure") for trial in trials] == [*["interrupted: its process ended"] * 3, None]
    retries = RetryHeartbeatStaleTrialCallback
    with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):
        assert [retries.retry_history(trial) for trial in trials] == [[], [0], [0, 1], [0, 1, 2]]
        assert [retries.retried_trial_number(trial) for trial in trials] == [None, 0, 0, 0]


def as_an_earlier_version(journal: Path) -> None:
    """Rewrites a journal: tries and final trials in one study, factor levels as parameters, all in user attributes."""
    before = open_storage(str(shutil.move(journal, journal.with_suffix(".new"))))
    studies = [optuna.load_study(study_name=name, storage=before) for name in ("tuned tuning", "tuned")]
    after = optuna.create_study(study_name="tuned", storage=open_storage(str(journal)), direction="maximize")
    for trial in [trial for study in studies for trial in study.trials]:
        levels = {"sorter.name": trial.params["sorter.name"]}
        choices = {"sorter.name": trial.distributions["sorter.name"]}
        after.add_trial(
            create_trial(
                state=trial.state,
                value=trial.value,
                params=levels,
                distributions=choices,
                user_attrs=known(trial),
                intermediate_values=trial.intermediate_values,
            )
        )


@pytest.mark.parametrize("moment", [2, 10])
def test_what_an_earlier_version_began_in_one_study_goes_on_there(player, whole, moment):
    expected = whole.play().latest()
    player.play(moment)
    as_an_earlier_version(Path(player.url))
    queue = player.play()
    assert [study.study_name for study in queue.studies] == ["tuned"]
    assert optuna.get_all_study_names(queue.storage) == ["tuned"]
    # Nothing ran twice, nothing is missing, and a number is of one trial.
    assert Counter(player.ran) == Counter(whole.ran)
    done = Counter(own(trial, "key") for trial in queue.study.trials if trial.state != TrialState.FAIL)
    assert done == Counter(whole.ran)
    assert len({trial.number for trial in queue.latest().values()}) == len(expected)
    assert {key: trial.value for key, trial in queue.latest().items()} == {
        key: trial.value for key, trial in expected.items()
    }


@pytest.mark.parametrize("storage", ["{}/o.journal", "sqlite:///{}/o.db"])
def test_settings_of_two_kinds_and_settings_that_are_factors_too_stop_no_storage(tmp_path, monkeypatch, storage):
    rate = "train.learning_rate"
    monkeypatch.setattr(NSH, "search_space", classmethod(lambda cls, config: {rate: Range(1e-4, 1e-3)}))
    monkeypatch.setattr(CIBHash, "search_space", classmethod(lambda cls, config: {rate: Range(1, 3, step=1)}))
    text = SPEC.replace("sorter.name: [softsort, argsort]", "method.name: [nsh, cibhash]")
    text = text.replace("{sorter.name: softsort}", "{method.name: nsh}")

    def tries() -> list[FrozenTrial]:
        queue = Player(storage.format(tmp_path), tmp_path, text).queue()
        queue.enqueue(queue.unfinished())
        return queue.studies[0].trials

    assert {type(trial.distributions[rate]) for trial in tries()} == {FloatDistribution}
    # In mode one_factor a factor's setting is tuned, and its reference may have no place on a log scale.
    text = SPEC.replace("question", "name: around\nquestion").replace("tune:", "mode: one_factor\ntune:")
    text = text.replace("sorter.name: [softsort, argsort]", "train.weight_decay: [0, 0.1]")
    text = text.replace("{sorter.name: softsort}", "{train.weight_decay: 0}")
    decay = "train.weight_decay"
    monkeypatch.setattr(NSH, "search_space", classmethod(lambda cls, config: {decay: Range(1e-4, 1e-1)}))
    assert [decay in trial.params for trial in tries()] == [False] + [True] * 3


@pytest.mark.parametrize("name", ["tuned", "tuned tuning"])
def test_the_name_of_either_study_is_found_again_in_a_journal_that_lost_it(player, name):
    player.play(10)
    queue = player.queue()
    expected = {study.study_name: len(study.trials) for study in queue.studies}
    journal = Path(player.url)
    lines = journal.read_bytes().splitlines(keepends=True)
    place = next(place for place, line in enumerate(lines) if f'"study_name":"{name}"'.encode() in line)
    lines[place] = b"\0\n"
    journal.write_bytes(b"".join(lines))
    assert [one.line for one in damage(journal)] == [place + 1]
    repair(journal)
    storage = open_storage(player.url)
    assert {one.study_name: one.n_trials for one in optuna.get_all_study_summaries(storage)} == expected
