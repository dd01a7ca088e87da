"""A few of the file operations of a study at which its process is killed, or which fail; all by every_write itself."""

import os
import subprocess
import sys

import pytest

from tests.study.commands import ONE_THREAD, ROOT


@pytest.mark.slow(30)
def test_a_crash_or_an_error_at_any_file_operation_loses_nothing():
    command = [sys.executable, "-m", "tests.study.every_write", "--sample", "14", "--jobs", "1"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | ONE_THREAD, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "14 faults" in done.stdout
    assert ", 0 with a loss" in done.stdout
