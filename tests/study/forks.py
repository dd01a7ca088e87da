"""Imports the commands once and runs each order, a JSON line from standard input, in a fork.

Answers with the process id of the fork at once. Its exit code is in the file "code" of the order's folder when it is
over, as a subprocess.Popen would have it.
"""

import contextlib
import ctypes
import gc
import importlib
import json
import os
import resource
import signal
import socket
import sys
import traceback
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[0] = str(ROOT)


import psutil

import benchmarks.run
import nsh_core.__main__
import nsh_core.cli
import nsh_core.commands
import nsh_core.search.commands
import study.analysis.outdated
import study.analysis.whole
import study.compared
import study.execution.engine_local
import study.execution.forking
import study.execution.warm
import study.outcome
import study.preview
import study.report
import study.reporting.dashboard
import study.reporting.document
import study.reporting.export
import study.run
import study.storage.proxy

# Forks of this process have imported everything: workers need no warm process of their own.
study.execution.forking.START_METHOD = "fork"

MAINS = {
    "run.py": study.run.main,
    "report.py": study.report.main,
    "nsh_core": nsh_core.__main__.main,
    "benchmarks": benchmarks.run.main,
    "torchrun": lambda: importlib.import_module("torch.distributed.run").main(),
    "proxy": lambda: nsh_core.cli.run(study.storage.proxy.app),
}

folders: dict[int, str] = {}
codes: dict[int, int] = {}


def child(order: dict) -> None:
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(os.path.join(order["folder"], name), os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    sys.argv = order["argv"]
    code = 1
    try:
        as_a_start_would()
        if order["host"]:
            on_a_host(order["host"])
        if order["memory"] is not None:
            taken = psutil.Process().memory_info().vms
            resource.setrlimit(resource.RLIMIT_AS, (taken + order["memory"],) * 2)
        for name, limit in order["limits"].items():
            resource.setrlimit(getattr(resource, name), (limit, limit))
        MAINS[order["script"]]()
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def as_a_start_would() -> None:
    """Looks along PYTHONPATH, and runs the sitecustomize.py there."""
    if place := os.environ.get("PYTHONPATH"):
        sys.path[1:1] = place.split(os.pathsep)
        sys.modules.pop("sitecustomize", None)
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module("sitecustomize")


def on_a_host(name: str) -> None:
    """Gives this process a host name of its own, where the system allows it."""
    new_names = 0x04000000
    if ctypes.CDLL(None).unshare(new_names) == 0:
        socket.sethostname(name)


def reap(*_: object) -> None:
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            codes[ended[0]] = os.waitstatus_to_exitcode(ended[1])
    tell()


def tell() -> None:
    """Writes the codes of the forks that are over."""
    for pid in [pid for pid in folders if pid in codes]:
        folder, code = folders.pop(pid, None), codes.pop(pid, None)
        if folder is not None and os.path.isdir(folder):
            Path(folder, "code.new").write_text(str(code))
            os.replace(Path(folder, "code.new"), Path(folder, "code"))


gc.collect()
gc.freeze()
signal.signal(signal.SIGCHLD, reap)
for line in sys.stdin:
    order = json.loads(line)
    process = os.fork()
    if process == 0:
        child(order)
    folders[process] = order["folder"]
    tell()
    print(process, flush=True)
for pid in folders:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
