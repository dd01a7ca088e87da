"""A few of the file operations of a study at which its process is killed, or which fail; all by every_write itself."""

import pytest

from tests.study.commands import module


@pytest.mark.slow(30)
def test_a_crash_or_an_error_at_any_file_operation_loses_nothing():
    done = module("tests.study.every_write", "--sample", 14, "--jobs", 1)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "14 faults" in done.stdout
    assert ", 0 with a loss" in done.stdout
