"""Imports the commands once and runs each order, a JSON line from standard input, in a fork; answers with its code."""

import json
import os
import sys
import traceback
from pathlib import Path

sys.path[0] = str(Path(__file__).parents[2])

import nsh_core.__main__
import nsh_core.cli
import study.execution.verify
import study.report
import study.reporting.dashboard
import study.reporting.export
import study.run

MAINS = {
    "run.py": study.run.main,
    "report.py": study.report.main,
    "nsh_core": lambda: nsh_core.cli.run(nsh_core.__main__.app),
}


def child(order: dict) -> None:
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(os.path.join(order["folder"], name), os.O_WRONLY | os.O_CREAT), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(order["cwd"])
    os.environ.update(order["env"])
    sys.argv = order["argv"]
    code = 1
    try:
        MAINS[order["script"]]()
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


for line in sys.stdin:
    order = json.loads(line)
    process = os.fork()
    if process == 0:
        child(order)
    _, status = os.waitpid(process, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
