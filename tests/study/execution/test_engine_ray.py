import contextlib
import time
from collections import Counter

import pandas as pd
import pytest
from optuna.trial import TrialState

from study.execution.attributes import own
from tests.study.commands import Fork, in_a_fork, outcome, run
from tests.study.test_run import stored

SPEC = """\
question: Does a study survive the loss of a node?
base: {code_length: 8, train.epochs: 40, train.evaluate_every: 20}
factors:
  sorter.name: [softsort, argsort]
reference: {sorter.name: softsort}
seeds: 3
figures: [arms]
"""


@pytest.fixture
def cluster(monkeypatch):
    """A head without CPUs and two nodes of one CPU, on this machine."""
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    # A lost node is noticed after seconds, not half a minute.
    for name, value in (("period", 500), ("initial_delay", 0), ("timeout", 1000)):
        monkeypatch.setenv(f"RAY_health_check_{name}_ms", str(value))
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    yield cluster
    cluster.shutdown()


@pytest.mark.slow(40)
def test_a_node_that_is_killed_costs_no_trial(cluster, tmp_path):
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    (tmp_path / "lost.yaml").write_text(SPEC)
    options = ("--study", tmp_path / "lost.yaml", "--results", tmp_path / "ray", "--engine", "ray", "--batch-trials", 2)
    process = Fork("run.py", *options, environment={"RAY_ADDRESS": cluster.address})
    deadline = time.monotonic() + 120
    running = 0
    while running < 4 and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        with contextlib.suppress(OSError, KeyError):
            running = sum(trial.state == TrialState.RUNNING for trial in stored(tmp_path / "ray", "lost"))
        time.sleep(0.1)
    assert running == 4
    # Both nodes have a task by now, and may be starting its process still.
    time.sleep(2)
    cluster.remove_node(nodes[0], allow_graceful=False)
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    assert run("--study", tmp_path / "lost.yaml", "--results", tmp_path / "here", "--batch-trials", 2).returncode == 0
    pd.testing.assert_frame_equal(outcome(tmp_path / "ray" / "lost"), outcome(tmp_path / "here" / "lost"))
    done = Counter(own(trial, "key") for trial in stored(tmp_path / "ray", "lost") if trial.state.is_finished())
    assert len(done) == 6
    assert set(done.values()) == {1}


@pytest.mark.slow(10)
def test_no_cluster_is_told_in_one_line(spec_file, tmp_path):
    pytest.importorskip("ray")
    options = ("--study", spec_file, "--results", tmp_path / "r", "--engine", "ray")
    result = in_a_fork("run.py", options, {"RAY_ADDRESS": "127.0.0.1:1"})
    assert result.returncode == 2
    assert "error: no Ray cluster found" in result.stderr
    assert "Traceback" not in result.stderr
