"""Worker processes as users have them: forked from a process that has imported everything."""

import os
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from textwrap import indent

import pandas as pd
import psutil
import pytest
from optuna.trial import TrialState

from study.execution.attributes import own
from tests.study.commands import arguments, outcome, run
from tests.study.test_run import stored, wait_for


def start(spec: Path, results: Path, *more: object, **options: object) -> subprocess.Popen:
    command = arguments("run.py", "--study", spec, "--results", results, "--jobs", 2, "--batch-trials", 1, *more)
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=interruptible, **options
    )


def interruptible() -> None:
    """pytest-xdist's processes ignore Ctrl-C, and what they start would, too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.slow(25)
@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGINT])
def test_nothing_outlives_a_run_and_the_next_goes_on(undisturbed_long, long_spec_file, tmp_path, signal_number):
    process = start(long_spec_file, tmp_path / "r")
    wait_for(tmp_path / "r", TrialState.RUNNING, process)
    family = psutil.Process(process.pid).children(recursive=True)
    assert len(family) >= 2
    process.send_signal(signal_number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == (130 if signal_number == signal.SIGINT else -signal.SIGKILL)
    assert "Traceback" not in errors
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []
    again = run("--study", long_spec_file, "--results", tmp_path / "r", "--jobs", 2)
    assert again.returncode == 0, again.stderr
    pd.testing.assert_frame_equal(outcome(tmp_path / "r" / "tiny"), outcome(undisturbed_long / "tiny"))
    done = Counter(own(t, "key") for t in stored(tmp_path / "r") if t.state == TrialState.COMPLETE)
    assert set(done.values()) == {1}


# What imports it stays there, deaf and blind: the lock of the interpreter is held.
STUCK = """\
import ctypes
import os
from pathlib import Path

Path(os.environ["STUCK"], str(os.getpid())).touch()
ctypes.PyDLL(None).sleep(60)
"""


def assert_all_end_with(process: subprocess.Popen, stuck: Path) -> None:
    """Whatever a run has started ends with it, once one of its processes is stuck."""
    while not any(stuck.iterdir()):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    family = psutil.Process(process.pid).children(recursive=True)
    assert int(next(stuck.iterdir()).name) in {one.pid for one in family}
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []


@pytest.fixture
def stuck(tmp_path, monkeypatch) -> Path:
    (tmp_path / "stuck").mkdir()
    monkeypatch.setenv("STUCK", str(tmp_path / "stuck"))
    return tmp_path / "stuck"


def test_a_run_that_is_killed_early_leaves_no_process_that_imports(long_spec_file, tmp_path, stuck):
    """The module is one that the process imports first which workers are forked from, and the run late."""
    (tmp_path / "numba").mkdir()
    (tmp_path / "numba" / "__init__.py").write_text(STUCK)
    process = start(long_spec_file, tmp_path / "r", env=os.environ | {"PYTHONPATH": str(tmp_path)})
    assert_all_end_with(process, stuck)


@pytest.mark.slow(8)
def test_a_run_that_is_killed_leaves_no_worker_that_begins(long_spec_file, tmp_path, stuck):
    (tmp_path / "slow.py").write_text(
        f"import multiprocessing\nif multiprocessing.parent_process():\n{indent(STUCK, '    ')}"
    )
    process = start(long_spec_file, tmp_path / "r", "--plugin", tmp_path / "slow.py")
    assert_all_end_with(process, stuck)


@pytest.mark.slow(10)
def test_workers_run_the_code_of_the_checkout_that_started_them(undisturbed, spec_file, tmp_path):
    """Where another checkout is the working directory and comes first on Python's path, too."""
    for package in ("study", "nsh_core"):
        (tmp_path / "other" / package).mkdir(parents=True)
        (tmp_path / "other" / package / "__init__.py").write_text(
            "raise RuntimeError('the code of another checkout')\n"
        )
    other = os.environ | {"PYTHONPATH": str(tmp_path / "other")}
    process = start(spec_file, tmp_path / "r", cwd=tmp_path / "other", env=other)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    pd.testing.assert_frame_equal(outcome(tmp_path / "r" / "tiny"), outcome(undisturbed / "tiny"))


def test_a_worker_that_cannot_begin_says_why(spec_file, tmp_path):
    """What ends one worker would end all: the run stops in one line."""
    (tmp_path / "fragile.py").write_text(
        "import multiprocessing\n\nassert multiprocessing.parent_process() is None, 'not in a worker'\n"
    )
    command = arguments(
        "run.py", "--study", spec_file, "--results", tmp_path / "r", "--plugin", tmp_path / "fragile.py"
    )
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 2
    lines = result.stderr.strip().splitlines()
    assert lines[-1].startswith("error: a worker process ended: the plug-in ")
    assert lines[-1].endswith("AssertionError: not in a worker")
