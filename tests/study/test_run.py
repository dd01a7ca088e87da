import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import optuna
import pandas as pd
import psutil
import pytest
from optuna.trial import TrialState

from nsh_core import load_dataset
from nsh_core.data import from_arrays
from study.analysis.columns import SUMMARY
from study.analysis.run_facts import RunFacts
from study.execution.amounts import duration
from study.execution.attributes import own
from study.storage.opening import open_storage
from tests.conftest import feature_arrays
from tests.study.commands import Fork, outcome, run

RUN = str(Path(__file__).parents[2] / "study" / "run.py")


def stored(results: Path, study: str = "tiny") -> list[optuna.trial.FrozenTrial]:
    return optuna.load_study(study_name=study, storage=open_storage(str(results / "optuna.journal"))).trials


def wait_for(results: Path, state: TrialState, process: Fork | subprocess.Popen, study: str = "tiny") -> None:
    """Until a trial is in that state."""
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        if (results / "optuna.journal").exists():
            try:
                if any(trial.state == state for trial in stored(results, study)):
                    return
            except KeyError:
                pass
        time.sleep(0.05)
    raise AssertionError(f"no trial became {state.name} in time")


def start(*options: object) -> Fork:
    return Fork("run.py", *options)


def workers_of(process: Fork) -> list[psutil.Process]:
    return psutil.Process(process.pid).children()


def test_the_tables_have_the_promised_columns(undisturbed):
    trials = pd.read_csv(undisturbed / "tiny" / "trials.csv")
    promised = [
        "study", "arm", "seed", "state", "dataset", "bits", "val_map", "test_map", "test_map_expected", "train_seconds",
        "peak_memory_mb",
    ]  # fmt: skip
    assert set(promised) <= set(trials.columns)
    assert list(trials.arm) == ["softsort", "softsort", "argsort", "argsort"]
    assert list(trials.seed) == [0, 1, 0, 1]
    assert set(trials.state) == {"complete"}
    assert trials.train_seconds.between(0.01, 100).all()
    assert trials.peak_memory_mb.between(50, 4000).all()
    summary = pd.read_csv(undisturbed / "tiny" / "summary.csv")
    assert list(summary.columns) == list(SUMMARY)
    per_query = pd.read_parquet(undisturbed / "tiny" / "per_query.parquet")
    assert list(per_query.arm) == list(trials.arm)
    for kind in ("val", "test"):
        assert per_query[kind].map(len).eq(300).all()
        means = per_query[kind].map(lambda ap: ap.astype(float).mean())
        assert (means - trials[f"{kind}_map"]).abs().max() < 1e-4
    comparisons = pd.read_csv(undisturbed / "tiny" / "comparisons.csv")
    assert {"arm", "reference", "metric", "difference", "ci_low", "ci_high", "p", "p_holm", "effect_size"} <= set(
        comparisons.columns
    )


def test_trials_report_values_on_the_way_and_carry_their_config(undisturbed):
    for trial in stored(undisturbed):
        assert sorted(trial.intermediate_values) == [1, 2]
        assert trial.value == trial.user_attrs["val_map"] == trial.intermediate_values[2]
        assert trial.params == {"sorter.name": trial.user_attrs["arm"]}
        assert '"code_length":8' in own(trial, "config")


@pytest.mark.slow(9)
@pytest.mark.parametrize(("jobs", "stack"), [(2, "1"), (1, "2")])
def test_jobs_and_stacks_change_nothing(undisturbed, spec_file, tmp_path, jobs, stack):
    result = run("--study", spec_file, "--results", tmp_path / "r", "--jobs", jobs, "--batch-trials", stack)
    assert result.returncode == 0, result.stderr
    pd.testing.assert_frame_equal(outcome(tmp_path / "r" / "tiny"), outcome(undisturbed / "tiny"))
    assert pd.read_parquet(tmp_path / "r" / "tiny" / "trials.parquet").stacked.max() == int(stack)


@pytest.mark.slow(8)
def test_a_second_run_does_nothing_again_and_more_seeds_only_add(undisturbed_copy, spec_file):
    undisturbed = undisturbed_copy
    before = [trial.datetime_complete for trial in stored(undisturbed)]
    assert run("--study", spec_file, "--results", undisturbed).returncode == 0
    assert [trial.datetime_complete for trial in stored(undisturbed)] == before
    assert run("--study", spec_file, "--results", undisturbed, "--seeds", 3).returncode == 0
    after = stored(undisturbed)
    assert [trial.datetime_complete for trial in after[:4]] == before
    assert len(after) == 6
    again = run("--study", spec_file, "--results", undisturbed)
    assert again.returncode == 0
    assert "note: the study holds 3 seeds, this command asked for 2: the tables have all" in again.stdout
    assert list(pd.read_parquet(undisturbed / "tiny" / "trials.parquet").seed) == [0, 1, 2, 0, 1, 2]
    assert RunFacts.read(undisturbed / "tiny").seeds == 3


def assert_complete_and_equal(results: Path, undisturbed: Path) -> None:
    pd.testing.assert_frame_equal(outcome(results / "tiny"), outcome(undisturbed / "tiny"))
    done = Counter(own(t, "key") for t in stored(results) if t.state == TrialState.COMPLETE)
    assert len(done) == 4
    assert set(done.values()) == {1}


@pytest.mark.slow(15)
@pytest.mark.parametrize("moment", [TrialState.RUNNING, TrialState.COMPLETE])
def test_a_killed_study_loses_and_repeats_nothing(undisturbed_long, long_spec_file, tmp_path, moment):
    options = ("--study", long_spec_file, "--results", tmp_path / "r", "--jobs", 2)
    process = start(*options)
    wait_for(tmp_path / "r", moment, process)
    workers = workers_of(process)
    process.kill()
    process.communicate()
    psutil.wait_procs(workers, timeout=10)
    assert not any(worker.is_running() for worker in workers)
    finished = [t.number for t in stored(tmp_path / "r") if t.state == TrialState.COMPLETE]
    result = run(*options)
    assert result.returncode == 0, result.stderr
    assert_complete_and_equal(tmp_path / "r", undisturbed_long)
    trials = stored(tmp_path / "r")
    assert all(trials[number].state == TrialState.COMPLETE for number in finished)
    for trial in trials:
        assert trial.state == TrialState.COMPLETE or trial.user_attrs["failure"].startswith("interrupted")


@pytest.mark.slow(12)
def test_ctrl_c_ends_workers_and_the_same_command_goes_on(undisturbed_long, long_spec_file, tmp_path):
    options = ("--study", long_spec_file, "--results", tmp_path / "r", "--jobs", 2)
    process = start(*options)
    wait_for(tmp_path / "r", TrialState.RUNNING, process)
    workers = workers_of(process)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    kept, go_on = out.splitlines()[-2:]
    assert kept.startswith("kept: ")
    assert go_on == f"to go on: python {shlex.join([*process.args[1:]])}"
    assert not any(worker.is_running() for worker in workers)
    assert not any(trial.state == TrialState.RUNNING for trial in stored(tmp_path / "r"))
    assert run(*options).returncode == 0
    assert_complete_and_equal(tmp_path / "r", undisturbed_long)


@pytest.mark.slow(25)
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_their_run_however_it_ends(long_spec_file, tmp_path, how):
    """The command itself, whose workers come from a fork server: what tests fork otherwise has no such process."""
    options = ["--study", long_spec_file, "--results", tmp_path / "r", "--jobs", 2, "--batch-trials", 1]
    command = [sys.executable, RUN, *map(str, options)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(tmp_path / "r", TrialState.RUNNING, process)
    family = psutil.Process(process.pid).children(recursive=True)
    workers = [one for one in family if one.ppid() != process.pid]
    assert workers
    workers[0].suspend()  # a worker that hangs ends too
    process.send_signal(how)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == (-how if how == signal.SIGKILL else 128 + how)
    assert "Traceback" not in errors
    _, alive = psutil.wait_procs(family, timeout=15)
    assert not alive
    done = sum(trial.state == TrialState.COMPLETE for trial in stored(tmp_path / "r"))
    assert done < 4


@pytest.mark.slow(10)
def test_a_killed_worker_is_replaced(undisturbed_long, long_spec_file, tmp_path):
    process = start("--study", long_spec_file, "--results", tmp_path / "r", "--jobs", 1)
    wait_for(tmp_path / "r", TrialState.RUNNING, process)
    os.kill(workers_of(process)[0].pid, signal.SIGKILL)
    process.communicate(timeout=120)
    assert process.returncode == 0
    assert_complete_and_equal(tmp_path / "r", undisturbed_long)


@pytest.mark.slow(12)
def test_a_worker_that_hangs_is_ended_and_replaced(undisturbed_long, long_spec_file, tmp_path):
    """Though nobody else is there to notice."""
    (tmp_path / "sitecustomize.py").write_text(
        "from study.execution import signs_of_life\nsigns_of_life.STALE_SECONDS = 2\n"
    )
    options = ("--study", long_spec_file, "--results", tmp_path / "r", "--jobs", 1)
    process = Fork("run.py", *options, environment={"PYTHONPATH": str(tmp_path)})
    wait_for(tmp_path / "r", TrialState.RUNNING, process)
    # Between two writes: a process that stops with the journal's lock holds up all for half a minute.
    while not any(trial.intermediate_values for trial in stored(tmp_path / "r")):
        time.sleep(0.05)
    [worker] = workers_of(process)
    worker.suspend()
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    notes = [line for line in out.splitlines() if "no sign of life" in line]
    assert notes == [
        f"note: no sign of life of worker process {worker.pid} for 2 s: it was ended, its trials run again"
    ]
    assert not worker.is_running()
    assert_complete_and_equal(tmp_path / "r", undisturbed_long)
    failures = {trial.user_attrs.get("failure") for trial in stored(tmp_path / "r")}
    assert f"interrupted: no sign of life of worker process {worker.pid} for 2 s" in failures


@pytest.mark.slow(12)
def test_a_failing_arm_is_recorded_and_the_others_go_on(tmp_path):
    spec = tmp_path / "tiny.yaml"
    spec.write_text(
        "question: What if an arm fails?\n"
        "base: {code_length: 8, train.epochs: 1}\n"
        "factors: {train: {good: {}, bad: {train.learning_rate: 10, train.warmup_epochs: 0, loss.anchor_weight: 1000,"
        " model.depth: 16, loss.nce_temperature: 0.001}}}\n"
        "reference: {train: good}\nseeds: 1\n"
    )
    options = ("--study", spec, "--results", tmp_path / "r")
    result = run(*options)
    assert result.returncode == 1
    trials = pd.read_parquet(tmp_path / "r" / "tiny" / "trials.parquet").set_index("arm")
    assert trials.state.to_dict() == {"good": "complete", "bad": "failed"}
    assert trials.failure["bad"].startswith(("not_finite: ", "code_collapse: "))
    assert f"failed: bad, seed 0: {trials.failure['bad']}" in result.stdout
    assert result.stdout.splitlines()[-1].endswith(f"report.py --study tiny --results {tmp_path / 'r'}")
    assert run(*options).returncode == 1
    assert len(stored(tmp_path / "r")) == 2
    assert run(*options, "--retry-failed").returncode == 1
    assert len(stored(tmp_path / "r")) == 3


@pytest.mark.slow(12)
def test_trials_limits_one_run(undisturbed, spec_file, tmp_path):
    options = ("--study", spec_file, "--results", tmp_path / "r")
    for expected in (3, 4):
        result = run(*options, "--trials", 3)
        assert result.returncode == (1 if expected < 4 else 0)
        assert sum(trial.state == TrialState.COMPLETE for trial in stored(tmp_path / "r")) == expected
    assert_complete_and_equal(tmp_path / "r", undisturbed)


@pytest.mark.slow(12)
def test_sqlite_gives_the_same_tables(undisturbed, spec_file, tmp_path):
    url = f"sqlite:///{tmp_path / 'study.db'}"
    result = run("--study", spec_file, "--results", tmp_path / "r", "--storage", url, "--jobs", 2)
    assert result.returncode == 0, result.stderr
    pd.testing.assert_frame_equal(outcome(tmp_path / "r" / "tiny"), outcome(undisturbed / "tiny"))


@pytest.mark.slow(14)
def test_postgresql_gives_the_same_tables_and_hides_its_password(
    undisturbed, spec_file, tmp_path, postgres, postgres_url
):
    postgres.psql("CREATE ROLE alice LOGIN SUPERUSER PASSWORD 'top-secret';")
    url = postgres_url.replace("postgresql://postgres:@", "postgresql://alice:top-secret@")
    assert "alice:top-secret" in url
    result = run("--study", spec_file, "--results", tmp_path / "r", "--storage", url, "--jobs", 2)
    assert result.returncode == 0, result.stderr
    pd.testing.assert_frame_equal(outcome(tmp_path / "r" / "tiny"), outcome(undisturbed / "tiny"))
    assert run("--study", spec_file, "--results", tmp_path / "r", "--storage", url).returncode == 0
    written = [path.read_bytes() for path in (tmp_path / "r").rglob("*") if path.is_file()]
    assert written
    for secret in (b"top-secret", b"alice"):
        assert not any(secret in content for content in [*written, (result.stdout + result.stderr).encode()])


@pytest.mark.slow(12)
def test_overrides_and_data_sets_are_kept_apart_in_memory_too(spec_file, tmp_path):
    given = {name: array for name, array in feature_arrays().items() if name != "train_labels"}
    stored = from_arrays(**given, name="small").stored(tmp_path / "kept")
    base = ("--study", spec_file, "--results", tmp_path / "r", "--seeds", 1, "--set", "train.batch_size=16")
    assert run(*base).returncode == 0
    assert run(*base, "--dataset", stored).returncode == 0
    folders = sorted(path.name for path in (tmp_path / "r").iterdir() if path.name.startswith("tiny"))
    assert len(folders) == 2
    assert folders[0].startswith("tiny+")
    assert folders[1].startswith("tiny@small-")
    trials = pd.read_parquet(tmp_path / "r" / folders[1] / "trials.parquet")
    assert set(trials.dataset) == {stored}
    assert RunFacts.read(tmp_path / "r" / folders[1]).fingerprint == load_dataset(stored).fingerprint()


@pytest.mark.slow(13)
def test_an_arm_added_to_a_spec_runs_alone(spec_file, tmp_path):
    options = ("--study", spec_file, "--results", tmp_path / "r", "--seeds", 1)
    assert run(*options).returncode == 0
    before = [trial.datetime_complete for trial in stored(tmp_path / "r")]
    spec_file.write_text(spec_file.read_text().replace("[softsort, argsort]", "[softsort, argsort, neuralsort]"))
    assert run(*options).returncode == 0
    after = stored(tmp_path / "r")
    assert [trial.datetime_complete for trial in after[:2]] == before
    assert [trial.params["sorter.name"] for trial in after] == ["softsort", "argsort", "neuralsort"]


@pytest.mark.slow(8)
def test_a_database_that_cannot_take_other_levels_says_so(spec_file, tmp_path):
    options = (
        "--study",
        spec_file,
        "--results",
        tmp_path / "r",
        "--seeds",
        1,
        "--storage",
        f"sqlite:///{tmp_path}/s.db",
    )
    assert run(*options).returncode == 0
    spec_file.write_text(spec_file.read_text().replace("[softsort, argsort]", "[softsort, argsort, neuralsort]"))
    result = run(*options)
    assert result.returncode == 2
    assert "with other levels of its factors" in result.stderr


@pytest.mark.slow(8)
def test_cost_is_measured_arm_by_arm_and_kept(undisturbed_copy, spec_file):
    study = undisturbed_copy / "tiny"
    before = (study / "trials.parquet").read_bytes()
    done = run("--study", spec_file, "--results", undisturbed_copy, "--measure-cost", 2)
    assert done.returncode == 0, done.stderr
    cost = pd.read_csv(study / "cost.csv")
    arms = pd.read_parquet(study / "trials.parquet").arm.unique()
    assert cost.arm.tolist() == [*arms, *arms]
    assert cost.repeat.tolist() == [0] * len(arms) + [1] * len(arms)
    assert cost.train_seconds.between(0.01, 60).all()
    assert (study / "trials.parquet").read_bytes() == before
    again = run("--study", spec_file, "--results", undisturbed_copy)
    assert again.returncode == 0, again.stderr
    pd.testing.assert_frame_equal(pd.read_csv(study / "cost.csv"), cost)
    other = ("--study", spec_file, "--results", undisturbed_copy, "--measure-cost", 0)
    assert "must be a whole number of at least 1, got '0'" in run(*other).stderr


def test_where_nothing_is_left_the_storage_is_asked_alone(undisturbed_copy, spec_file):
    journal = undisturbed_copy / "optuna.journal"
    before = journal.read_text()
    again = run("--study", spec_file, "--results", undisturbed_copy)
    assert again.returncode == 0, again.stderr
    # Optuna looks for a study by making it.
    assert [json.loads(line)["op_code"] for line in journal.read_text().removeprefix(before).splitlines()] == [0]


def test_studies_are_listed_at_once(undisturbed, tmp_path):
    """The command itself: what imports nothing slow takes a third of a second."""
    shutil.copytree(undisturbed / "tiny", tmp_path / "temperature")
    command = [sys.executable, "-X", "importtime", RUN, "--list", "--results", str(tmp_path), "--jobs", "1"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)
    imported = {line.rpartition("|")[2].strip() for line in listed.stderr.splitlines()}
    assert "study.plan.spec" in imported
    assert not imported & {"torch", "pandas", "scipy", "sqlalchemy", "matplotlib", "optuna", "numpy"}
    found = dict(re.findall(r"^(\w+): (.*(?:\n[^ ].*)*)", listed.stdout, re.MULTILINE))
    assert sorted(found) == [path.stem for path in sorted((Path(RUN).parent / "specs").glob("*.yaml"))]
    assert found["sorter_ablation"].startswith("12 arms, 10 seeds, 120 trials, about")
    assert found["transfer"].startswith("30 arms, 10 seeds, at most 300 tries of tuning and 300 trials, about")
    took = pd.read_csv(undisturbed / "tiny" / "trials.csv").total_seconds.mean()
    assert f"180 trials, about {duration(180 * took)}" in found["temperature"].replace("\n", " ")
    assert "\n\nTimes are of 1 jobs, as earlier trials in " in listed.stdout
    assert "\n\n--study NAME --dry-run shows the arms" in run("--list", "--results", tmp_path / "none").stdout


def test_a_dry_run_shows_arms_data_and_cost(undisturbed, spec_file, tmp_path):
    options = ("--study", spec_file, "--dry-run", "--results")
    planned = run(*options, tmp_path / "r")
    assert planned.returncode == 0, planned.stderr
    for part in (
        r"softsort \(reference\) +│ sorter.name=softsort +│ 2 seeds",
        r"argsort +│ sorter.name=argsort +│ 2 seeds",
        r"base: code_length=8, train.epochs=2, train.evaluate_every=1",
        r"data: 1197 training items, .*; 10 classes",
        r"trials: 4\ntime: about \d+ s with 1 jobs, by a few timed steps",
        r"design: no earlier trials",
    ):
        assert re.search(part, planned.stdout), part
    assert not (tmp_path / "r").exists()
    over = run(*options, undisturbed, "--seeds", 3).stdout
    assert re.search(r"trials: 6, 4 of them over\ntime: about .* with 1 jobs, as its 4 earlier trials took", over)
    assert "design: by the spread of earlier trials" in over
    wrong = run(*options, tmp_path / "r", "--dataset", "digitz")
    assert wrong.returncode == 2
    assert "did you mean 'digits'?" in wrong.stderr
