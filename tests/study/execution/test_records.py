"""What a storage holds of a trial, whoever else wrote to it."""

import pytest
from optuna.trial import TrialState

from nsh_core import load_dataset
from study.execution.claim import claim
from study.execution.queue import TrialQueue
from study.execution.records import TrialFacts, is_whole
from study.execution.trial import Outcome, record
from study.plan.loading import load_spec
from study.plan.planning import make_plan
from study.storage.opening import open_storage
from study.storage.optuna_internals import trial_id


@pytest.mark.parametrize("moment", ["before its record", "before its end"])
def test_who_would_take_a_trial_that_ends_at_this_moment_changes_nothing_of_its_record(
    spec_file, tmp_path, monkeypatch, moment
):
    """A reason is written before the state: its owner, who was only slow, may have a result by then."""
    plan, fingerprint = make_plan(load_spec(str(spec_file))), load_dataset("digits").fingerprint()
    queue = TrialQueue(open_storage(str(tmp_path / "o.journal")), plan, fingerprint)
    queue.enqueue(queue.unfinished()[:1])
    [trial] = claim(queue.studies, queue.storage, set(queue.latest()), lambda _: 1)
    end = queue.storage.set_trial_state_values

    def take() -> None:
        queue.storage.set_trial_user_attr(trial_id(trial), "failure", "interrupted: no sign of life")

    def end_late(number: int, state: TrialState, values: list[float]) -> bool:
        take()
        return end(number, state, values)

    if moment == "before its record":
        take()
    else:
        monkeypatch.setattr(queue.storage, "set_trial_state_values", end_late)
    record(queue.study, trial, Outcome(TrialState.COMPLETE, TrialFacts({"val_map": 0.5})))
    [ended] = queue.study.trials
    assert ended.state == TrialState.COMPLETE
    assert is_whole(ended)
    assert TrialFacts.of(ended).failure == ""
