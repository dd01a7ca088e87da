"""What can go wrong while a study runs; docs/faults.md has a row for each."""

import json
import os
import resource
import socket
import time
from collections import Counter
from pathlib import Path

import optuna
import pandas as pd
import psutil
import pytest
import torch
from optuna.trial import TrialState

from nsh_core import UserError, load_dataset
from study.execution import ownership, signs_of_life
from study.execution.attributes import own, set_own
from study.execution.claim import claim
from study.execution.queue import TrialQueue, interrupt
from study.execution.records import TrialFacts
from study.execution.trial import Outcome, _reason, record
from study.plan.loading import load_spec
from study.plan.planning import make_plan
from study.storage import retry as patience
from study.storage.journal import JournalFile
from study.storage.opening import open_storage
from study.storage.optuna_internals import frozen, trial_id
from study.storage.transactions import CLAIMANT
from tests.study.commands import Fork, in_a_fork, outcome, run
from tests.study.test_run import stored


def assert_complete(results: Path, undisturbed: Path) -> None:
    pd.testing.assert_frame_equal(outcome(results / "tiny"), outcome(undisturbed / "tiny"))
    done = Counter(own(trial, "key") for trial in stored(results) if trial.state == TrialState.COMPLETE)
    assert set(done.values()) == {1}


@pytest.fixture
def queues(spec_file, tmp_path):
    """Two views of one study, as two people have them."""
    plan = make_plan(load_spec(str(spec_file)))
    fingerprint = load_dataset("digits").fingerprint()
    return [TrialQueue(open_storage(str(tmp_path / "o.journal")), plan, fingerprint) for _ in range(2)]


@pytest.mark.slow(12)
def test_half_a_last_line_of_the_journal_is_cut_off(undisturbed, spec_file, tmp_path):
    options = ("--study", spec_file, "--results", tmp_path / "r")
    assert run(*options, "--limit", 2).returncode == 1
    journal = tmp_path / "r" / "optuna.journal"
    journal.write_bytes(journal.read_bytes() + b'{"op_code":8,"worker_id":"x","trial')
    result = run(*options)
    assert result.returncode == 0, result.stderr
    assert_complete(tmp_path / "r", undisturbed)
    assert all(json.loads(line) for line in journal.read_text().splitlines())


def test_a_full_disk_leaves_no_half_line(tmp_path, monkeypatch):
    journal = JournalFile(str(tmp_path / "j"))
    first, second, third = ({"op_code": 2, "study_id": 0, "user_attr": {"text": text}} for text in ("", "x" * 100, "y"))
    journal.append_logs([first])
    size = os.path.getsize(tmp_path / "j")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            journal.append_logs([second])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert os.path.getsize(tmp_path / "j") == size
    journal.append_logs([third])
    read = JournalFile(str(tmp_path / "j")).read_logs(0)
    assert [line["user_attr"] for line in read] == [first["user_attr"], third["user_attr"]]


@pytest.mark.slow(12)
def test_a_study_on_a_full_disk_stops_in_one_line_and_goes_on_later(undisturbed, spec_file, tmp_path):
    options = ["--study", spec_file, "--results", tmp_path / "r", "--jobs", 1]
    (tmp_path / "r").mkdir()
    # Another study's lines, so that nothing but the journal comes near the limit.
    filler = optuna.create_study(study_name="filler", storage=open_storage(str(tmp_path / "r" / "optuna.journal")))
    filler.set_user_attr("text", "x" * 3_000_000)
    limit = (os.path.getsize(tmp_path / "r" / "optuna.journal") // 1024 + 20) * 1024
    full = in_a_fork("run.py", options, RLIMIT_FSIZE=limit)
    assert full.returncode == 2
    assert full.stderr.strip().splitlines()[-1].startswith("error: ")
    assert "File too large" in full.stderr
    assert "Traceback" not in full.stderr
    result = run(*options)
    assert result.returncode == 0, result.stderr
    assert_complete(tmp_path / "r", undisturbed)


@pytest.mark.slow(12)
def test_two_people_who_start_the_same_study_at_once_share_it(undisturbed, spec_file, tmp_path):
    options = ("--study", spec_file, "--results", tmp_path / "r", "--jobs", 1)
    both = [Fork("run.py", *options) for _ in range(2)]
    for process in both:
        _, errors = process.communicate(timeout=200)
        assert process.returncode == 0, errors
    assert_complete(tmp_path / "r", undisturbed)


def attribute(trial: optuna.Trial, name: str) -> object:
    return own(frozen(trial.study, trial), name)


def test_of_a_trial_that_two_queued_one_runs(queues):
    first, second = queues
    keys = first.unfinished()
    assert keys == second.unfinished()
    first.enqueue(keys)
    # The second looked before the first wrote: what it knows of the study is that there is nothing.
    second.latest = dict
    second.enqueue(keys)
    assert len(first.study.trials) == 8
    claimed = [claim(q.studies, q.storage, set(keys), lambda _: 2) for q in (first, second)]
    assert [len(trials) for trials in claimed] == [2, 2]
    assert len({attribute(trial, "key") for trials in claimed for trial in trials}) == 4
    assert claim(first.studies, first.storage, set(keys), lambda _: 2) == []
    # If one is given up, its double is no longer behind it.
    interrupt(first.storage, first.storage.get_trial(trial_id(claimed[0][0])), "test")
    [again] = claim(first.studies, first.storage, set(keys), lambda _: 2)
    assert attribute(again, "key") == keys[0]
    for trial in claimed[1]:
        record(second.study, trial, Outcome(TrialState.COMPLETE, TrialFacts({"val_map": 0.5})))
    first.recover()
    reasons = [t.user_attrs.get("failure", "") for t in first.study.trials if t.state == TrialState.FAIL]
    assert sorted(reason.partition(" of")[0] for reason in reasons) == ["duplicate", "duplicate", "interrupted: test"]


def test_who_queues_late_does_not_queue_again_what_another_ran_meanwhile(queues):
    first, second = queues
    left = second.unfinished()
    first.enqueue(left)
    for trial in claim(first.studies, first.storage, set(left), lambda _: 4)[:2]:
        record(first.study, trial, Outcome(TrialState.COMPLETE, TrialFacts({"val_map": 0.5})))
    second.enqueue(left)
    assert len(first.study.trials) == 4


def elsewhere(queue_: TrialQueue, owner: str = "elsewhere:1:12:boot-1:run") -> optuna.Trial:
    """A running trial whose owner is a process of another place."""
    queue_.enqueue(queue_.unfinished()[:1])
    [trial] = claim(queue_.studies, queue_.storage, set(queue_.unfinished()) | set(queue_.latest()), lambda _: 1)
    set_own(queue_.storage, trial_id(trial), "owner", owner)
    return trial


@pytest.fixture
def passes(monkeypatch):
    """passes(seconds, queue): that time passes, in which a queue is looked at every 5 s."""
    now = time.monotonic()

    def look(seconds: int, queue: TrialQueue) -> None:
        nonlocal now
        for _ in range(seconds // 5):
            now += 5
            queue.recover()

    monkeypatch.setattr(signs_of_life.time, "monotonic", lambda: now)
    return look


ELSEWHERE = {
    "another machine": "elsewhere:1:12:boot-1:run",
    "a container with this host's name": f"{socket.gethostname()}:{os.getpid()}:12:boot-1:run",
    "a system that tells no place": f"{socket.gethostname()}:1:::run",
    "an earlier version": f"{socket.gethostname()}:1:abc-1",
}


@pytest.mark.parametrize("place", ELSEWHERE)
def test_a_trial_of_another_place_is_taken_over_after_long_silence(passes, queues, capsys, place):
    (first, _), owner = queues, ELSEWHERE[place]
    trial = elsewhere(first, owner)
    passes(signs_of_life.STALE_SECONDS, first)
    set_own(first.storage, trial_id(trial), "beat", 1)
    passes(signs_of_life.STALE_SECONDS, first)
    assert first.study.trials[0].state == TrialState.RUNNING
    passes(10, first)
    [taken] = first.study.trials
    assert taken.state == TrialState.FAIL
    silence = f"no sign of life of process {owner.split(':')[1]} on {owner.split(':')[0]} for 120 s"
    assert taken.user_attrs["failure"] == f"interrupted: {silence}"
    assert capsys.readouterr().out == f"note: {silence}: its trials run again\n"
    # Its owner, who was only slow, finds that the trial is another's now.
    record(first.study, trial, Outcome(TrialState.COMPLETE, TrialFacts({"val_map": 0.5})))
    assert first.study.trials[0].state == TrialState.FAIL
    assert first.unfinished()[0] == own(taken, "key")


def test_who_lost_a_claim_does_not_keep_the_trial_of_a_winner_that_is_gone(passes, queues):
    first, _ = queues
    first.enqueue(first.unfinished()[:1])
    [waiting] = first.study.trials
    for claimant in (ELSEWHERE["another machine"], ownership.this_process()):
        set_own(first.storage, trial_id(waiting), CLAIMANT + claimant, True)
    first.storage.set_trial_state_values(trial_id(waiting), TrialState.RUNNING)
    passes(signs_of_life.STALE_SECONDS + 10, first)
    assert first.study.trials[0].state == TrialState.FAIL


def test_a_time_in_which_nobody_looked_is_no_silence(queues, monkeypatch):
    """Whoever was stopped, or waited for a server, finds signs of life as old as its absence."""
    first, _ = queues
    elsewhere(first)
    now = time.monotonic()
    for look in range(3):
        monkeypatch.setattr(signs_of_life.time, "monotonic", lambda look=look: now + 1000 * look)
        first.recover()
    assert first.study.trials[0].state == TrialState.RUNNING


def test_a_clock_that_jumps_changes_nothing(queues, monkeypatch):
    first, _ = queues
    elsewhere(first)
    me = ownership.this_process()
    first.recover()
    for jump in (-1e6, 1e6):
        now = time.time() + jump
        monkeypatch.setattr(time, "time", lambda now=now: now)
        monkeypatch.setattr(psutil, "boot_time", lambda now=now: now)
        assert not ownership.owner_is_dead(me)
        assert ownership.this_process() == me
        first.recover()
        assert first.study.trials[0].state == TrialState.RUNNING


@pytest.mark.slow(8)
def test_out_of_memory_is_a_named_failure_and_the_study_goes_on(tmp_path):
    spec = tmp_path / "tiny.yaml"
    spec.write_text(
        "question: What if memory runs out?\n"
        "base: {code_length: 8, train.epochs: 1}\n"
        "factors: {size: {small: {}, huge: {model.width: 65536, model.depth: 16}}}\n"
        "reference: {size: small}\nseeds: 1\n"
    )
    options = ("--study", spec, "--results", tmp_path / "r", "--jobs", 1)
    # 8 GB of address space: the model alone would take 250.
    result = in_a_fork("run.py", options, RLIMIT_AS=8_000_000 * 1024)
    assert result.returncode == 1, result.stderr
    trials = pd.read_parquet(tmp_path / "r" / "tiny" / "trials.parquet").set_index("arm")
    assert trials.state.to_dict() == {"small": "complete", "huge": "failed"}
    assert trials.failure["huge"].startswith("out_of_memory: ")
    assert _reason(torch.OutOfMemoryError("CUDA out of memory.")) == "out_of_memory: CUDA out of memory."


@pytest.mark.slow(20)
def test_a_server_that_is_restarted_under_load_is_waited_for(undisturbed_long, long_spec_file, tmp_path, own_postgres):
    server = own_postgres
    options = ("--study", long_spec_file, "--results", tmp_path / "r", "--storage", server.get_uri(), "--jobs", 2)
    process = Fork("run.py", *options)
    study = None
    while study is None or not any(trial.state == TrialState.RUNNING for trial in study.trials):
        assert process.poll() is None, process.communicate()
        try:
            study = optuna.load_study(study_name="tiny", storage=open_storage(server.get_uri()))
        except KeyError:
            time.sleep(0.1)
    for _ in range(2):
        server.stop()
        time.sleep(1)
        server.start()
        time.sleep(0.5)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    pd.testing.assert_frame_equal(outcome(tmp_path / "r" / "tiny"), outcome(undisturbed_long / "tiny"))
    counts = Counter(own(trial, "key") for trial in study.trials if trial.state == TrialState.COMPLETE)
    assert set(counts.values()) == {1}


def test_patience_ends(monkeypatch):
    class Away(optuna.storages.InMemoryStorage):
        calls = 0

        def get_all_studies(self):
            Away.calls += 1
            raise patience.OperationalError("select", {}, Exception("server closed the connection"))

    monkeypatch.setattr(patience, "PATIENCE_SECONDS", 0.5)
    with pytest.raises(patience.OperationalError):
        patience.patient(Away)().get_all_studies()
    assert Away.calls > 2
    assert not patience.is_away(ValueError("bad"))


def test_a_claim_of_which_the_answer_was_lost_is_still_a_claim(queues, monkeypatch):
    first, _ = queues
    first.enqueue(first.unfinished())
    set_state = first.storage.set_trial_state_values

    def forgetful(trial_id, state, values=None):
        set_state(trial_id, state, values)
        return set_state(trial_id, state, values) if state == TrialState.RUNNING else True

    monkeypatch.setattr(first.storage, "set_trial_state_values", forgetful)
    claimed = claim(first.studies, first.storage, set(first.latest()), lambda _: 2)
    assert len(claimed) == 2
    assert all(attribute(trial, "owner") == ownership.this_process() for trial in claimed)


@pytest.mark.slow(12)
def test_a_proxy_gives_the_same_tables(undisturbed, spec_file, tmp_path, free_port):
    pytest.importorskip("grpc")
    proxy = Fork("proxy", "--storage", f"sqlite:///{tmp_path / 's.db'}", "--port", free_port)
    try:
        assert proxy.first_line(100).startswith("serving sqlite:///")
        url = f"grpc://localhost:{free_port}"
        result = run("--study", spec_file, "--results", tmp_path / "r", "--storage", url, "--jobs", 2)
        assert result.returncode == 0, result.stderr
        pd.testing.assert_frame_equal(outcome(tmp_path / "r" / "tiny"), outcome(undisturbed / "tiny"))
    finally:
        proxy.kill()
        proxy.wait()
    with pytest.raises(UserError, match="grpc://HOST:PORT"):
        open_storage("grpc://nowhere")
