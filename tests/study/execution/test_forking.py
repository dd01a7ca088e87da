import subprocess
import sys
from pathlib import Path

SCRIPT = """
import os
from study.execution.forking import cool_down, fork, warm_up

warm_up()
for _ in range(3):
    cool_down()
    process = fork(os._exit, 7)
    process.join()
    print(process.exitcode)
"""


def test_what_is_forked_after_the_warm_process_ended_has_another():
    """A process that has just been killed is no process to fork from."""
    root = Path(__file__).parents[3]
    made = subprocess.run([sys.executable, "-c", SCRIPT], cwd=root, capture_output=True, text=True)
    assert made.stdout.split() == ["7"] * 3, made.stderr
