"""A few random histories of a queue; as many as wanted by histories itself."""

import os
import subprocess
import sys

import pytest

from tests.study.commands import ONE_THREAD, ROOT


@pytest.mark.slow(12)
def test_no_history_of_a_queue_is_wrong():
    command = [sys.executable, "-m", "tests.study.execution.histories", "--count", "2", "--jobs", "2"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | ONE_THREAD, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 histories" in done.stdout
    assert ", 0 wrong" in done.stdout
