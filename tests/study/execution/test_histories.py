"""A few random histories of a queue; as many as wanted by histories itself."""

import pytest

from tests.study.commands import module


@pytest.mark.slow(12)
def test_no_history_of_a_queue_is_wrong():
    done = module("tests.study.execution.histories", "--count", 2, "--jobs", 2)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 histories" in done.stdout
    assert ", 0 wrong" in done.stdout
