"""The queue in PostgreSQL: a statement a step, in Optuna's own tables."""

from concurrent.futures import ThreadPoolExecutor

import optuna
import pytest
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState, create_trial

from nsh_core import load_dataset, make_config
from study.execution.attributes import own
from study.execution.claim import claim
from study.execution.queue import TrialQueue, end
from study.execution.records import Task, TrialFacts, is_whole
from study.execution.stack_size import stack_kind
from study.execution.trial import Outcome, record
from study.plan.loading import load_spec
from study.plan.planning import make_plan
from study.storage.opening import open_storage
from study.storage.optuna_internals import study_id, trial_id

RUN = "a run"


def queued(key: str, seed: int = 0, **settings: object) -> optuna.trial.FrozenTrial:
    task = Task(key, -1, "a", "final", "f", make_config(settings | {"seed": seed}))
    return create_trial(
        state=TrialState.WAITING, user_attrs=task.user_attributes(), system_attrs=task.system_attributes()
    )


@pytest.fixture
def study(postgres_url):
    return optuna.create_study(study_name="s", storage=open_storage(postgres_url))


def steps(url):
    storage = open_storage(url)
    return storage, optuna.load_study(study_name="s", storage=storage)


def test_of_many_that_claim_at_once_each_gets_others(postgres_url, study):
    storage, _ = steps(postgres_url)
    storage.add(study_id(study), [queued(str(number)) for number in range(60)])
    keys = {str(number) for number in range(60)}

    def claim_all(run):
        own_storage, own_study = steps(postgres_url)
        claimed = []
        while trials := claim([own_study], own_storage, keys, lambda _: 1, run):
            claimed += [trial.number for trial in trials]
        return claimed

    with ThreadPoolExecutor(6) as pool:
        claimed = list(pool.map(claim_all, map(str, range(6))))
    assert sorted(number for numbers in claimed for number in numbers) == list(range(60))
    owners = {number: own(trial, "owner") for number, trial in enumerate(study.trials)}
    for run, numbers in enumerate(claimed):
        assert all(owners[number].endswith(f":{run}") for number in numbers)


def test_a_claim_whose_answer_was_lost_is_known_by_its_name(postgres_url, study):
    storage, _ = steps(postgres_url)
    storage.add(study_id(study), [queued(str(number)) for number in range(4)])
    numbers = [trial_id(trial) for trial in study.trials]

    def taken(most, name):
        return [trial_id(trial) for trial in storage.take(numbers, most, name, {"owner": "me"})]

    assert taken(2, "first") == numbers[:2]
    assert taken(2, "first") == numbers[:2]
    assert taken(9, "second") == numbers[2:]
    assert taken(9, "third") == []


def test_a_stack_is_of_one_kind_and_names_its_lead(postgres_url, study):
    storage, own_study = steps(postgres_url)
    kinds = [8, 16, 8, 16, 8]
    storage.add(study_id(study), [queued(str(place), code_length=bits) for place, bits in enumerate(kinds)])
    claimed = claim([own_study], storage, set("01234"), lambda _: 9)
    assert [trial.number for trial in claimed] == [0, 2, 4]
    assert len({stack_kind(Task.of(study.trials[trial.number]).config) for trial in claimed}) == 1
    leads = [own(study.trials[trial.number], "lead") for trial in claimed]
    assert leads == [None, trial_id(claimed[0]), trial_id(claimed[0])]


def test_what_stands_behind_another_of_its_key_waits_until_that_is_given_up(postgres_url, study):
    storage, own_study = steps(postgres_url)
    study.add_trial(queued("k"))
    study.add_trial(queued("k"))
    # Through the queue it would not have come in.
    storage.add(study_id(study), [queued("k")])
    assert len(study.trials) == 2
    [first] = claim([own_study], storage, {"k"}, lambda _: 1)
    assert (first.number, claim([own_study], storage, {"k"}, lambda _: 1)) == (0, [])
    end(storage, study.trials[0], "interrupted: by hand")
    storage, own_study = steps(postgres_url)
    assert [trial.number for trial in claim([own_study], storage, {"k"}, lambda _: 1)] == [1]


def test_the_end_of_a_trial_is_written_whole_and_once(postgres_url, study):
    storage, own_study = steps(postgres_url)
    storage.add(study_id(study), [queued("k")])
    [trial] = claim([own_study], storage, {"k"}, lambda _: 1)
    trial.report(0.25, 1)
    # Whoever writes beside it is no damage.
    storage.set_trial_user_attr(trial_id(trial), "remark", "mine")
    outcome = Outcome(TrialState.COMPLETE, TrialFacts({"val_map": 0.5}))
    record(own_study, trial, outcome)
    [stored] = study.trials
    assert (stored.state, stored.value, stored.intermediate_values) == (TrialState.COMPLETE, 0.5, {1: 0.25})
    assert stored.datetime_start <= stored.datetime_complete
    assert is_whole(stored)
    record(own_study, trial, outcome)
    with pytest.raises(UpdateFinishedTrialError):
        storage.end(trial_id(trial), TrialState.FAIL, None, {"failure": "late"}, {})
    with pytest.raises(UpdateFinishedTrialError):
        trial.report(0.25, 2)
    assert study.trials[0] == stored


def test_a_look_sees_what_others_did_since(postgres_url, study):
    """Though what still waits is not read again."""
    storage, own_study = steps(postgres_url)
    storage.add(study_id(study), [queued(str(number)) for number in range(4)])
    assert [trial.state.name for trial in own_study.get_trials(deepcopy=False)] == ["WAITING"] * 4
    other, others = steps(postgres_url)
    # The last first, so that those before it are over after one that is.
    ids = [trial_id(trial) for trial in others.trials]
    other.take(ids[3:], 1, "a", {"owner": "me"})
    other.end(ids[3], TrialState.COMPLETE, 1.0, {}, {})
    assert [trial.state.name for trial in own_study.get_trials(deepcopy=False)] == ["WAITING"] * 3 + ["COMPLETE"]
    other.take(ids[:2], 2, "b", {"owner": "me"})
    other.end(ids[0], TrialState.FAIL, None, {}, {})
    other.add(study_id(others), [queued("new")])
    states = ["FAIL", "RUNNING", "WAITING", "COMPLETE", "WAITING"]
    assert [trial.state.name for trial in own_study.get_trials(deepcopy=False)] == states


def test_an_earlier_version_s_trials_are_claimed(postgres_url, study):
    """Whose queue kept all among user attributes, and whose database has no index of ours."""
    waiting = queued("k")
    attributes = {name.removeprefix("nsh:"): value for name, value in waiting.system_attrs.items()}
    for _ in range(2):
        study.add_trial(create_trial(state=TrialState.WAITING, user_attrs=waiting.user_attrs | attributes))
    storage, own_study = steps(postgres_url)
    claimed = [claim([own_study], storage, {"k"}, lambda _: 1) for _ in range(2)]
    assert [[trial.number for trial in trials] for trials in claimed] == [[0], []]


def test_other_levels_of_a_factor_are_refused(postgres_url, spec_file):
    def queue():
        return TrialQueue(
            open_storage(postgres_url), make_plan(load_spec(str(spec_file))), load_dataset("digits").fingerprint()
        )

    first = queue()
    first.enqueue(first.unfinished())
    assert first.unfinished() == []
    assert [trial.params for trial in first.study.trials] == [one.arm.levels for one in first.plan.trials]
    with pytest.raises(ValueError, match="does not support dynamic value space"):
        first.storage.add(
            study_id(first.study),
            [
                create_trial(
                    state=TrialState.WAITING,
                    params=dict.fromkeys(first.study.trials[0].params, "x"),
                    distributions={
                        name: optuna.distributions.CategoricalDistribution(["x"])
                        for name in first.study.trials[0].params
                    },
                    system_attrs={"nsh:key": "k", "nsh:after": -1},
                )
            ],
        )
