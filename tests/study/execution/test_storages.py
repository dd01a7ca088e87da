"""The same faults in each kind of storage."""

import os
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import psutil
import pytest
from optuna.trial import TrialState
from sqlalchemy.engine import make_url

from nsh_core import load_dataset
from study.analysis.tables import build_tables
from study.execution.attributes import own
from study.execution.claim import claim
from study.execution.queue import TrialQueue
from study.execution.records import TrialFacts
from study.execution.trial import Outcome, record
from study.plan.loading import load_spec
from study.plan.planning import make_plan
from study.storage.opening import open_storage
from tests.study.commands import Fork, outcome
from tests.study.conftest import another_port


@contextmanager
def _proxy(folder: Path, port: int) -> Iterator[str]:
    pytest.importorskip("grpc")
    proxy = Fork("proxy", "--storage", f"sqlite:///{folder / 'behind.db'}", "--port", port)
    try:
        assert proxy.first_line(100).startswith("serving sqlite:///")
        yield f"grpc://localhost:{port}"
    finally:
        proxy.kill()
        proxy.wait()


@pytest.fixture(params=["journal", "sqlite", "postgresql", "grpc"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Of an empty storage."""
    if request.param == "grpc":
        with _proxy(tmp_path, request.getfixturevalue("free_port")) as url:
            yield url
    elif request.param == "postgresql":
        yield request.getfixturevalue("postgres_url")
    else:
        yield {"journal": str(tmp_path / "o.journal"), "sqlite": f"sqlite:///{tmp_path / 'o.db'}"}[request.param]


def owners(url: str) -> set[str]:
    """Who trains at this moment."""
    try:
        trials = optuna.load_study(study_name="tiny", storage=open_storage(url)).trials
    except KeyError:
        return set()
    return {own(one, "owner") for one in trials if one.state == TrialState.RUNNING} - {None}


@pytest.mark.slow(6)
def test_of_two_runs_one_and_a_worker_of_the_other_are_killed(url, undisturbed_long, long_spec_file, tmp_path):
    options = ("--study", long_spec_file, "--results", tmp_path / "r", "--storage", url, "--jobs", 1)
    options = (*options, "--batch-trials", 1)  # else the run that comes first may take all trials as one stack
    runs = [Fork("run.py", *options) for _ in range(2)]
    while len(owners(url)) < 2:
        assert [process.poll() for process in runs] == [None, None], [process.communicate() for process in runs]
        time.sleep(0.05)
    stays, goes = runs
    os.kill(psutil.Process(stays.pid).children()[0].pid, signal.SIGKILL)
    goes.kill()
    _, errors = stays.communicate(timeout=120)
    assert stays.returncode == 0, errors
    pd.testing.assert_frame_equal(outcome(tmp_path / "r" / "tiny"), outcome(undisturbed_long / "tiny"))
    trials = optuna.load_study(study_name="tiny", storage=open_storage(url)).trials
    done = Counter(own(trial, "key") for trial in trials if trial.state == TrialState.COMPLETE)
    assert sorted(done.values()) == [1] * 4
    assert any("interrupted" in trial.user_attrs.get("failure", "") for trial in trials)


def change(url: str, folder: Path, postgres: Any) -> None:
    """Another value in the record of a trial, written behind Optuna's back."""
    statement = "UPDATE trial_user_attributes SET value_json = '0.75' WHERE key = 'val_map' AND trial_id = 2;"
    if url.startswith("postgresql"):
        postgres.psql(f"\\c {make_url(url).database}\n{statement}")
        return
    with sqlite3.connect(folder / ("behind.db" if url.startswith("grpc") else "o.db")) as database:
        database.execute(statement)


@pytest.mark.parametrize("url", ["sqlite", "postgresql", "grpc"], indirect=True)
def test_a_record_that_changed_in_a_database_is_no_result(url, spec_file, tmp_path, request):
    plan = make_plan(load_spec(str(spec_file)))
    fingerprint = load_dataset("digits").fingerprint()

    def queue() -> TrialQueue:
        return TrialQueue(open_storage(url), plan, fingerprint)

    first = queue()
    first.enqueue(first.unfinished())
    for trial in claim(first.studies, first.storage, set(first.latest()), lambda _: 4):
        record(first.study, trial, Outcome(TrialState.COMPLETE, TrialFacts({"val_map": 0.5})))
    assert queue().unfinished() == []
    change(url, tmp_path, request.getfixturevalue("postgres") if url.startswith("postgresql") else None)
    with ExitStack() as stack:
        if url.startswith("grpc"):
            # A proxy that has read the end of a trial does not ask for it again.
            url = stack.enter_context(_proxy(tmp_path, another_port()))
        after = build_tables(queue()).trials
    assert after.state.tolist().count("failed") == 1
    assert "damaged: its record is not what was written" in " ".join(after.failure)
