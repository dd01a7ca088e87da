"""A crash at every write: each file operation of a run, in turn, is where its process is killed, or where it fails.

python -m tests.study.every_write numbers the operations of a study of two arms and two seeds (open for writing, write,
flush, fsync, rename, unlink, make a link or folder), lets each kind of fault strike at each of them, goes on with the
same command and compares the tables with those of an undisturbed run. Training is remembered, so that each run is all
files; workers run within the run, so that operations come in one order.
"""

import argparse
import builtins
import contextlib
import errno
import gc
import io
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import torch
from optuna.storages.journal import JournalFileSymlinkLock

import nsh_core
import study.execution.forking
import study.execution.scheduler
import study.execution.trial
import study.run
from study.execution.claim import claim
from study.execution.engine import Execution
from study.execution.queue import TrialQueue
from study.storage.opening import open_storage
from tests.study.commands import SPEC, outcome

KILLED = 137
FAULTS = {"kill": None, "half": None, "full": errno.ENOSPC, "denied": errno.EACCES, "broken": errno.EIO}
_BY_PATH = ("mkdir", "rename", "replace", "unlink", "remove", "symlink", "link", "rmdir", "chmod", "truncate")


class Inline:
    """An engine that runs trials in the process of the run."""

    def __init__(self, queue: TrialQueue, url: str, execution: Execution) -> None:
        self.queue, self.keys = queue, set[str]()
        self.dataset = nsh_core.load_dataset(queue.plan.dataset)

    def offer(self, keys: Sequence[str], waiting: int) -> None:
        self.keys |= set(keys)

    def poll(self, waiting: int) -> bool:
        claimed = claim(self.queue.studies, self.queue.storage, self.keys, lambda _: 1)
        if claimed:
            study.execution.trial.run_trials(claimed, self.dataset, 1)
        return False

    def last_failure(self) -> str:
        return ""

    def stop(self) -> None:
        pass


class Faults:
    """Counts the file operations below a folder, and strikes at one of them.

    folder: whose operations count. at: number of the operation, from 0. fault: a name of FAULTS.
    """

    def __init__(self, folder: Path, at: int = -1, fault: str = "kill") -> None:
        self.folder, self.at, self.fault = str(folder), at, fault
        self.operations: list[str] = []

    def point(self, name: str, path: Any, half: Callable[[], object] | None = None) -> None:
        """One operation, about to happen."""
        place = _path_of(path)
        if not place.startswith(self.folder):
            return
        self.operations.append(name)
        if len(self.operations) - 1 != self.at:
            return
        if self.fault == "half" and half is not None:
            half()
        number = FAULTS[self.fault]
        if number is None:
            os._exit(KILLED)
        raise OSError(number, os.strerror(number), place)

    def install(self) -> None:
        for name in _BY_PATH:
            setattr(os, name, self._counted(name, getattr(os, name)))
        os.fsync = self._counted("fsync", os.fsync)
        os.open = self._opened(os.open)
        builtins.open = io.open = self._open(io.open)

    def _counted(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def operation(path: Any, *rest: Any, **named: Any) -> Any:
            # A link is made at its second name.
            self.point(name, rest[0] if name in ("symlink", "link") else path)
            return real(path, *rest, **named)

        return operation

    def _opened(self, real: Callable[..., int]) -> Callable[..., int]:
        def operation(path: Any, flags: int, *rest: Any, **named: Any) -> int:
            if flags & (os.O_WRONLY | os.O_RDWR):
                self.point("open", path)
            return real(path, flags, *rest, **named)

        return operation

    def _open(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def operation(file: Any, mode: str = "r", *rest: Any, **named: Any) -> Any:
            if not set(mode) & set("wax+"):
                return real(file, mode, *rest, **named)
            if not isinstance(file, int):
                self.point("open", file)
            opened = real(file, mode, *rest, **named)
            return _Counted(opened, self) if _path_of(file).startswith(self.folder) else opened

        return operation


class _Counted:
    """A file whose writes and flushes are operations."""

    def __init__(self, file: Any, faults: Faults) -> None:
        self._file, self._faults = file, faults

    def write(self, data: Any) -> int:
        def half() -> None:
            self._file.write(data[: len(data) // 2])
            self._file.flush()

        self._faults.point("write", self._file.fileno(), half)
        return self._file.write(data)

    def flush(self) -> None:
        self._faults.point("flush", self._file.fileno())
        self._file.flush()

    def __enter__(self) -> "_Counted":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._file)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _path_of(file: Any) -> str:
    if isinstance(file, int):
        with contextlib.suppress(OSError):
            return os.readlink(f"/proc/self/fd/{file}")
        return ""
    return os.path.abspath(os.fsdecode(file))


@dataclass(frozen=True)
class Struck:
    """What a fault came to: the code and error lines of the run that it struck, and what was wrong after all."""

    at: int
    operation: str
    fault: str
    code: int
    wrong: str


class Bench:
    """A study and its undisturbed run, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spec = folder / "tiny.yaml"
        self.spec.write_text(SPEC.replace("train.epochs: 2", "train.epochs: 1"))
        _prepare()
        # Once in this process: what it trains, its forks remember.
        with contextlib.redirect_stdout(io.StringIO()):
            assert _run(self.spec, folder / "first", None) == 0
        self.expected = outcome(folder / "first" / "tiny")
        code, _ = self.in_a_fork(folder / "counted", Faults(folder / "counted"), folder / "operations")
        assert code == 0
        self.operations = (folder / "operations").read_text().split()

    def in_a_fork(self, results: Path, faults: Faults | None, log: Path | None = None) -> tuple[int, str]:
        """Runs the study in a fork; its exit code and what it said of errors."""
        said = results.with_suffix(".err")
        process = os.fork()
        if process == 0:
            code = 1
            try:
                handle = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
                os.dup2(handle, 2)
                os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
                code = _run(self.spec, results, faults)
                if log is not None and faults is not None:
                    log.write_text("\n".join(faults.operations))
            finally:
                os._exit(code)
        _, status = os.waitpid(process, 0)
        return os.waitstatus_to_exitcode(status), said.read_text()

    def strike(self, at: int, fault: str) -> Struck:
        """Lets a fault strike, goes on, and compares."""
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            results = Path(name) / "r"
            code, said = self.in_a_fork(results, Faults(results, at, fault))
            wrong = [] if code == KILLED else _unclear(code, said)
            again, more = self.in_a_fork(results, None)
            if again != 0:
                wrong.append(f"the next run ended with {again}: {more[-300:]}")
            else:
                wrong += self._other(results)
        return Struck(at, self.operations[at], fault, code, "; ".join(wrong))

    def _other(self, results: Path) -> list[str]:
        try:
            pd.testing.assert_frame_equal(outcome(results / "tiny"), self.expected)
        except AssertionError as error:
            return [f"other tables: {' '.join(str(error).split())[:200]}"]
        stored = optuna.load_study(study_name="tiny", storage=open_storage(str(results / "optuna.journal")))
        complete = sum(trial.state.name == "COMPLETE" for trial in stored.trials)
        return [] if complete == len(self.expected) else [f"{complete} results of {len(self.expected)} trials"]


def _unclear(code: int, said: str) -> list[str]:
    """What is wrong with how a run told of a fault that it survived or stopped at."""
    if "Traceback" in said:
        return [f"a traceback: {said[-300:]}"]
    errors = [line for line in said.splitlines() if line.startswith("error: ")]
    if (code, len(errors)) in ((0, 0), (1, 0), (2, 1)):
        return []
    return [f"code {code} with {len(errors)} error lines: {said[-300:]}"]


def _prepare() -> None:
    """Workers within the run, training remembered, a dead run's lock given up soon."""
    study.execution.scheduler.LocalEngine = Inline  # type: ignore[misc, assignment]
    study.execution.forking.START_METHOD = "fork"
    torch.set_num_threads(1)  # a fork has none of OpenMP's threads, and would wait for them
    remembered: dict[str, Any] = {}
    real = nsh_core.fit_together

    def fit_together(configs: Any, dataset: Any, *, on_evaluation: Any, test: bool, **options: Any) -> Any:
        key = "".join(config.digest() for config in configs) + str(test)
        if key not in remembered:
            records: list[list[dict[str, float]]] = [[] for _ in configs]
            results = real(configs, dataset, on_evaluation=[own.append for own in records], test=test, **options)
            remembered[key] = results, records
        results, records = remembered[key]
        for watch, own in zip(on_evaluation, records, strict=True):
            for record in own:
                watch(dict(record))
        return results

    nsh_core.fit_together = fit_together
    start = JournalFileSymlinkLock.__init__

    def soon(self: JournalFileSymlinkLock, path: str, grace_period: int | None = 30) -> None:
        start(self, path)
        self.grace_period = 1

    JournalFileSymlinkLock.__init__ = soon  # type: ignore[method-assign]
    study.execution.scheduler._POLL_SECONDS = 0.01


def _run(spec: Path, results: Path, faults: Faults | None) -> int:
    sys.argv = ["study/run.py", "--study", str(spec), "--results", str(results), "--jobs", "1"]
    if faults is not None:
        faults.install()
    try:
        study.run.main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, help="strike so often, at random; default: everywhere")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(Path(name))
        gc.collect()
        gc.freeze()
        print(f"{len(bench.operations)} operations: {dict(Counter(bench.operations))}", flush=True)
        start, struck = time.perf_counter(), []
        tasks = [
            (at, fault)
            for at, operation in enumerate(bench.operations)
            for fault in FAULTS
            if fault != "half" or operation == "write"
        ]
        if options.sample is not None:
            tasks = random.Random(0).sample(tasks, options.sample)
        with ThreadPoolExecutor(options.jobs) as pool:
            for one in pool.map(lambda task: bench.strike(*task), tasks):
                struck.append(one)
                if one.wrong:
                    print(f"operation {one.at} ({one.operation}), {one.fault}: {one.wrong}", flush=True)
        wrong = sum(bool(one.wrong) for one in struck)
        codes = Counter((one.fault, one.code) for one in struck)
        seconds = time.perf_counter() - start
        print(f"{len(struck)} faults in {seconds:.0f} s, {wrong} with a loss; exit codes {dict(codes)}")
        sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
