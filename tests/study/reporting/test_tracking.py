import contextlib
import hashlib
import io
import json
import logging
import os
import shutil
import signal
import sqlite3
import struct
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState
from PIL import Image

from nsh_core import load_dataset
from nsh_core.files import write_atomically
from study.execution import forking
from study.execution.claim import claim
from study.execution.growth import grow
from study.execution.queue import TrialQueue
from study.execution.records import TrialFacts
from study.execution.trial import Outcome, record
from study.plan.loading import load_spec
from study.plan.planning import make_plan
from study.registry import TRACKERS
from study.reporting.artifacts import add_artifacts
from study.reporting.tracking import TrackedRun, Tracker, mlflow, writer
from study.reporting.tracking.tracking import Tracking
from study.storage.opening import open_storage
from tests.conftest import Once
from tests.pages import block
from tests.study.commands import SPEC, Fork

THREE = ["tensorboard", "mlflow", "wandb"]
TUNED = """\
question: Is each trial tracked?
base: {code_length: 8, train.epochs: 2, train.evaluate_every: 1}
factors:
  the sorter (or/and none): {soft/sort: {sorter.name: softsort}, argsort: {sorter.name: argsort}}
reference: {the sorter (or/and none): argsort}
seeds: 1
mode: tuned
tune: {trials: 3}
"""
# Of three tries one is complete, one pruned, one failed.
NAMES = [f"soft/sort/{last}" for last in ("0", "tuning 0", "tuning 1", "tuning 2")]
NAMES += [f"argsort/{last}" for last in ("0", "tuning 3", "tuning 4", "tuning 5")]
# A path is no name of a folder.
FOLDER = f"soft_sort {hashlib.sha256(b'soft/sort').hexdigest()[:8]}"
FAILURE = "code_collapse: every item has the same code"
COMPLETE = TrialFacts(
    {"val_map": 0.5, "test_map": 0.45, "train_seconds": 3.0},
    history=[{"epoch": 1.0, "val_map": 0.4, "loss": 3.0}, {"epoch": 2.0, "val_map": 0.5, "loss": 2.0}],
    curves={"test_precision_by_radius": [None, 0.6, 0.5], "test_recall_by_radius": [0.0, 0.3, 0.7]},
    nearest=[list(range(10))] * 8,
    codes_sha256="0",
    provenance={"commit": "abc"},
)


def outcome(trial: int, phase: str) -> Outcome:
    if phase == "tuning" and trial % 3 == 1:
        return Outcome(TrialState.PRUNED, TrialFacts({"val_map": 0.25}), {1: 0.25})
    if phase == "tuning" and trial % 3 == 2:
        return Outcome(TrialState.FAIL, TrialFacts(failure=FAILURE), {1: 0.1})
    return Outcome(TrialState.COMPLETE, COMPLETE, {1: 0.4, 2: 0.5})


def queue_of(folder: Path) -> TrialQueue:
    plan = make_plan(load_spec(str(folder / "tiny.yaml")))
    queue = TrialQueue(open_storage(str(folder / "results" / "optuna.journal")), plan, "data")
    grow(queue)
    return queue


def run_queued(queue: TrialQueue) -> None:
    while claimed := claim(queue.studies, queue.storage, set(queue.latest()), lambda _: 1):
        [trial] = claimed
        record(trial.study, trial, outcome(trial.number, trial.user_attrs["phase"]), reported=False)


@pytest.fixture(scope="session")
def stored(once: Once) -> Path:
    """A tuned study in its storage, with pictures; none of it was trained."""

    def make(folder: Path) -> None:
        (folder / "tiny.yaml").write_text(TUNED)
        queue = queue_of(folder)
        while keys := queue.unfinished():
            queue.enqueue(keys)
            run_queued(queue)
            grow(queue)
        add_artifacts(queue, load_dataset("digits"), folder / "results" / "artifacts")

    return once("stored", make)


def track(folder: Path, *names: str) -> str:
    """What a command with --track says that finds all trials over."""
    queue, said = queue_of(folder), io.StringIO()
    trackers = Tracking(names, queue.plan.key, folder / "results")
    with contextlib.closing(trackers), contextlib.redirect_stdout(said):
        trackers.update(queue, "the journal")
    return said.getvalue()


@pytest.fixture(scope="session")
def tracked(stored: Path, once: Once) -> Path:
    """Written by the three, killed between a run's beginning and its end, and before the ledger knew; written again."""

    def make(folder: Path) -> None:
        for package in THREE:
            pytest.importorskip(package)
        shutil.copytree(stored, folder, dirs_exist_ok=True)
        place, queue, said = folder / "results" / "track", queue_of(folder), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
            patch.setattr(forking, "START_METHOD", "fork")
            patch.setenv("HOME", str(folder / "home"))
            before = of_this_process()
            with contextlib.closing(Tracking(THREE, queue.plan.key, folder / "results")) as trackers:
                trackers.update(queue, "the journal")
                shutil.rmtree(place / "written")
                with contextlib.closing(sqlite3.connect(place / "mlflow" / "mlflow.db")) as database:
                    database.execute("UPDATE runs SET status = 'RUNNING', end_time = NULL WHERE name LIKE '%/0'")
                    database.execute("DELETE FROM metrics WHERE step = 2")
                    database.commit()
                trackers.update(queue, "the journal")
            changed = [(old, new) for old, new in zip(before, of_this_process(), strict=True) if old != new]
        (folder / "said").write_text(json.dumps([said.getvalue(), repr(changed)]))

    return once("tracked", make)


def of_this_process() -> list[Any]:
    return [
        dict(os.environ),
        {thread.name for thread in threading.enumerate()},
        [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
        {name: list(getattr(one, "handlers", [])) for name, one in logging.root.manager.loggerDict.items()},
        set(THREE) & set(sys.modules),
    ]


@pytest.mark.slow(6)
def test_nothing_of_theirs_reaches_the_study(tracked):
    said, changed = json.loads((tracked / "said").read_text())
    assert changed == "[]"
    assert not (tracked / "home").exists()
    place = tracked / "results" / "track"
    assert said.splitlines() == [
        f"note: tracker tensorboard writes to {place}/tensorboard",
        f"note: tracker mlflow writes to sqlite:///{place}/mlflow/mlflow.db",
        f"note: tracker wandb writes to {place}/wandb",
    ]
    assert track(tracked, *THREE) == ""


def test_tensorboard_reads_each_trial(tracked):
    from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer
    from tensorboard.plugins.hparams import metadata
    from tensorboard.plugins.hparams.api_pb2 import Status

    runs = EventMultiplexer().AddRunsFromDirectory(str(tracked / "results" / "track" / "tensorboard")).Reload()
    names = {name: f"tiny/{name.replace('soft/sort', FOLDER)}" for name in NAMES}
    assert sorted(runs.Runs()) == sorted(names.values())
    final = runs.GetAccumulator(f"tiny/{FOLDER}/0")
    points = {
        tag: [(event.step, round(event.value, 6)) for event in final.Scalars(tag)] for tag in final.Tags()["scalars"]
    }
    assert points == {
        "epoch/val_map": [(1, 0.4), (2, 0.5)],
        "epoch/loss": [(1, 3.0), (2, 2.0)],
        "radius/test_precision": [(1, 0.6), (2, 0.5)],
        "radius/test_recall": [(0, 0.0), (1, 0.3), (2, 0.7)],
        "final/val_map": [(2, 0.5)],
        "final/test_map": [(2, 0.45)],
    }
    assert final.Tags()["images"] == ["curves.png", "gallery.png"]
    statuses = {}
    for name, run in names.items():
        about = runs.GetAccumulator(run).PluginTagToContent("hparams")
        start = metadata.parse_session_start_info_plugin_data(about[metadata.SESSION_START_INFO_TAG])
        end = metadata.parse_session_end_info_plugin_data(about[metadata.SESSION_END_INFO_TAG])
        statuses[name] = (start.hparams["state"].string_value, Status.Name(end.status))
        assert start.hparams["arm"].string_value == name.rpartition("/")[0]
        assert start.hparams["train.epochs"].number_value == 2
    assert statuses["argsort/0"] == ("complete", "STATUS_SUCCESS")
    assert statuses["argsort/tuning 4"] == ("pruned", "STATUS_UNKNOWN")
    assert statuses["argsort/tuning 5"] == ("failed", "STATUS_FAILURE")
    [text] = runs.Tensors("tiny/argsort/tuning 5", "trial/text_summary")
    assert f"failure: {FAILURE}" in text.tensor_proto.string_val[0].decode()


def test_mlflow_reads_each_trial(tracked):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{tracked}/results/track/mlflow/mlflow.db")
    experiment = client.get_experiment_by_name("tiny")
    runs = {one.info.run_name: one for one in client.search_runs([experiment.experiment_id])}
    assert len(client.search_runs([experiment.experiment_id])) == len(NAMES)
    assert sorted(runs) == sorted(NAMES)
    states = {name: (one.info.status, one.data.tags["state"], one.data.tags["arm"]) for name, one in runs.items()}
    assert states["argsort/0"] == ("FINISHED", "complete", "argsort")
    assert states["soft/sort/tuning 1"] == ("KILLED", "pruned", "soft/sort")
    assert states["soft/sort/tuning 2"] == ("FAILED", "failed", "soft/sort")
    assert runs["soft/sort/tuning 2"].data.tags["failure"] == FAILURE
    first, tuned, final = (runs[f"soft/sort/{last}"] for last in ("tuning 0", "tuning 1", "0"))
    assert "tuned" not in first.data.params
    assert first.data.params["train.learning_rate"] != tuned.data.params["train.learning_rate"]
    assert set(tuned.data.params["tuned"].split(", ")) < set(first.data.params)
    assert set(first.data.params) == set(tuned.data.params) - {"tuned"}
    assert final.data.params["code_length"] == "8"
    assert final.data.tags["factor_the sorter _or/and none_"] == "soft/sort"
    assert final.data.metrics == {
        "epoch/val_map": 0.5, "epoch/loss": 2.0, "radius/test_precision": 0.5, "radius/test_recall": 0.7,
        "val_map": 0.5, "test_map": 0.45,
    }  # fmt: skip
    history = client.get_metric_history(final.info.run_id, "epoch/val_map")
    assert [(point.step, point.value) for point in history] == [(1, 0.4), (2, 0.5)]
    assert [one.path for one in client.list_artifacts(final.info.run_id)] == ["curves.png", "gallery.png"]
    folder = Path(final.info.artifact_uri.removeprefix("file://"))
    assert folder.is_relative_to(tracked)
    assert Image.open(folder / "curves.png").format == "PNG"


def test_of_two_that_write_a_run_to_mlflow_at_once_one_stays(tracked, tmp_path, monkeypatch):
    for name, value in mlflow.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    shutil.copy(tracked / "results" / "track" / "mlflow" / "mlflow.db", tmp_path)
    moment = datetime(2026, 1, 2)
    run = TrackedRun("0" * 16, "a/0", "a", "complete", {}, {}, {"epoch": {}}, {"val_map": 0.5}, {}, moment, moment)
    found = []
    for _ in range(2):
        tracker = mlflow.MLflow("tiny", tmp_path)
        search, before_the_other = tracker._runs, [[]]

        def look(run, view, search=search, before_the_other=before_the_other):
            found.append(before_the_other.pop() if before_the_other else search(run, view))
            return found[-1]

        monkeypatch.setattr(tracker, "_runs", look)
        tracker.write(run)
    assert [len(runs) for runs in found] == [0, 1, 0, 2]
    [one] = search(run, 1)
    assert (one.info.run_name, one.info.status, one.data.metrics) == ("a/0", "FINISHED", {"val_map": 0.5})


def records(file: Path) -> Iterator[Any]:
    """Of W&B's log, in the format of LevelDB's: blocks of 32 KiB, parts of records with sum, length and kind."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, place, parts = file.read_bytes(), 7, b""
    while place + 7 < len(data):
        if place % 32768 > 32768 - 7:
            place += -place % 32768
        _, length, kind = struct.unpack_from("<IHB", data, place)
        parts += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):
            yield Record.FromString(parts)
            parts = b""


def test_wandb_reads_each_trial(tracked):
    read: dict[str, dict[str, Any]] = {}
    files = list((tracked / "results" / "track" / "wandb" / "wandb").glob("offline-run-*/*.wandb"))
    for file in files:
        own: dict[str, Any] = {"rows": [], "summary": {}}
        for one in records(file):
            if one.HasField("run"):
                own["run"] = one.run
            for item in one.summary.update:
                own["summary"][item.key or "/".join(item.nested_key)] = json.loads(item.value_json)
            if one.HasField("history"):
                row = {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in one.history.item}
                own["rows"].append({name: value for name, value in row.items() if not name.startswith("_")})
            if one.HasField("exit"):
                own["exit"] = one.exit.exit_code
        read[own["run"].display_name] = own
    assert len(files) == len(NAMES)
    assert sorted(read) == sorted(NAMES)
    final = read["argsort/0"]
    assert (final["run"].project, final["run"].run_group, final["run"].job_type) == ("tiny", "argsort", "final")
    assert final["rows"][:2] == [
        {"epoch": 1, "epoch/val_map": 0.4, "epoch/loss": 3.0},
        {"epoch": 2, "epoch/val_map": 0.5, "epoch/loss": 2.0},
    ]
    assert final["rows"][2:5] == [
        {"radius": 0, "radius/test_recall": 0.0},
        {"radius": 1, "radius/test_precision": 0.6, "radius/test_recall": 0.3},
        {"radius": 2, "radius/test_precision": 0.5, "radius/test_recall": 0.7},
    ]
    assert {"curves/_type": "image-file", "gallery/_type": "image-file"}.items() <= final["rows"][5].items()
    assert final["summary"]["test_map"] == 0.45
    config = {item.key: json.loads(item.value_json) for item in read["argsort/tuning 4"]["run"].config.update}
    assert (config["code_length"], config["train"]["epochs"], config["state"]) == (8, 2, "pruned")
    assert "train.learning_rate" in config["tuned"]
    ends = {name: (one["exit"], *one["run"].tags) for name, one in read.items()}
    assert ends["argsort/0"] == (0, "complete")
    assert ends["argsort/tuning 4"] == (0, "pruned")
    assert ends["argsort/tuning 5"] == (1, "failed")


class Faulty(Tracker):
    """Does at the third run what its file says, if there is one."""

    def write(self, run: TrackedRun) -> None:
        fault = self.folder / "fault"
        if run.name == "soft/sort/tuning 2" and fault.exists():
            exec(fault.read_text())
        self.folder.mkdir(exist_ok=True)
        with (self.folder / "lines").open("a") as file:
            print(run.name, file=file)


@pytest.fixture
def study(stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(forking, "START_METHOD", "fork")
    return shutil.copytree(stored, tmp_path / "study")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("raise ConnectionError('the server\\nis away')", "ConnectionError: the server is away"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("import os; os._exit(1)", "its process ended"),
        ("import time; time.sleep(60)", "no answer for 1 s"),
    ],
)
def test_a_tracker_that_fails_is_a_note_and_the_next_command_goes_on(fault, reason, study, monkeypatch):
    monkeypatch.setattr(writer, "PATIENCE_SECONDS", 1)
    for name in ("faulty", "sound"):
        monkeypatch.setitem(TRACKERS._entries, name, Faulty)
    place = study / "results" / "track"
    write_atomically(place / "faulty" / "fault", fault)
    assert track(study, "faulty", "sound").splitlines() == [
        f"note: tracker faulty writes to {place}/faulty",
        f"note: tracker faulty: {reason}; the next command writes what is missing",
        f"note: tracker sound writes to {place}/sound",
    ]
    assert written(place / "faulty") == ["soft/sort/tuning 0", "soft/sort/tuning 1"]
    assert written(place / "sound") == sorted(NAMES)
    (place / "faulty" / "fault").unlink()
    assert track(study, "faulty", "sound") == f"note: tracker faulty writes to {place}/faulty\n"
    assert written(place / "faulty") == sorted(NAMES)


def test_a_trial_that_is_trained_again_is_written_again(study, monkeypatch):
    monkeypatch.setitem(TRACKERS._entries, "sound", Faulty)
    track(study, "sound")
    queue = queue_of(study)
    [key] = [
        key
        for key, trial in queue.latest().items()
        if (trial.user_attrs["arm"], trial.user_attrs["phase"]) == ("argsort", "final")
    ]
    queue.enqueue([key], again=lambda _: True)
    run_queued(queue)
    track(study, "sound")
    assert written(study / "results" / "track" / "sound") == sorted([*NAMES, "argsort/0"])


def written(place: Path) -> list[str]:
    return sorted((place / "lines").read_text().splitlines())


def test_a_server_that_is_away_is_a_note_without_its_password(study, free_port, monkeypatch):
    pytest.importorskip("mlflow")
    pytest.importorskip("wandb")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://bob:hunter2@127.0.0.1:{free_port}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_API_KEY", "")
    monkeypatch.setenv("HOME", str(study))
    to_mlflow, mlflow, to_wandb, wandb = track(study, "mlflow", "wandb").splitlines()
    assert to_mlflow == f"note: tracker mlflow writes to http://127.0.0.1:{free_port}"
    assert mlflow.startswith("note: tracker mlflow: MlflowException: API request to http://bob:***@127.0.0.1")
    assert mlflow.endswith("; the next command writes what is missing")
    assert to_wandb == "note: tracker wandb writes to tiny online"
    assert wandb.startswith("note: tracker wandb: UsageError: No API key configured.")


def test_the_tracker_of_the_docs(study):
    exec(block("python", "# my_tracker.py"), {})
    try:
        track(study, "json")
    finally:
        TRACKERS.unregister("json")
    runs = [json.loads(file.read_text()) for file in (study / "results" / "track" / "json").iterdir()]
    assert sorted(one["run"] for one in runs) == sorted(NAMES)


COUNTED = """
import os, time
from study.registry import TRACKERS
from study.reporting.tracking import TrackedRun, Tracker

@TRACKERS.register("counted")
class Counted(Tracker):
    def write(self, run):
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "begun").open("a") as file:
            print(run.name, os.getpid(), file=file)
        if os.environ.get("SLOW") == run.name:
            time.sleep(60)
        with (self.folder / "lines").open("a") as file:
            print(run.name, file=file)
"""


@pytest.mark.slow(4)
def test_of_two_commands_at_once_after_one_that_was_killed_each_trial_is_written_once(undisturbed_copy, tmp_path):
    (tmp_path / "counted.py").write_text(COUNTED)
    spec = undisturbed_copy.with_name("tiny.yaml")
    spec.write_text(SPEC)
    options = [
        "--study",
        spec,
        "--results",
        undisturbed_copy,
        "--plugin",
        tmp_path / "counted.py",
        "--track",
        "counted",
    ]
    place = undisturbed_copy / "track" / "counted"
    killed = Fork("run.py", *options, environment={"SLOW": "argsort/0"})
    while not (place / "begun").exists() or "argsort/0" not in (place / "begun").read_text():
        assert killed.poll() is None, killed.communicate()
        time.sleep(0.02)
    killed.kill()
    os.kill(int((place / "begun").read_text().split()[-1]), signal.SIGKILL)
    killed.wait()
    both = [Fork("run.py", *options) for _ in range(2)]
    for fork in both:
        assert fork.wait() == 0, fork.communicate()
    assert written(place) == ["argsort/0", "argsort/1", "softsort/0", "softsort/1"]
    begun = [line.rpartition(" ")[0] for line in (place / "begun").read_text().splitlines()]
    assert sorted(begun) == ["argsort/0", "argsort/0", "argsort/1", "softsort/0", "softsort/1"]
    assert sum(f"note: tracker counted writes to {place}" in fork.written("out") for fork in both) == 1
