"""How a run waits for its trials."""

from collections.abc import Sequence

import pytest
from optuna.trial import TrialState

from nsh_core import load_dataset
from study.execution import scheduler
from study.execution.claim import claim
from study.execution.display import Display, Standing
from study.execution.engine import Execution
from study.execution.progress import Progress
from study.execution.queue import TrialQueue
from study.execution.records import TrialFacts
from study.execution.trial import Outcome, record
from study.plan.loading import load_spec
from study.plan.planning import make_plan
from study.storage.opening import open_storage

MOST_POLLS = 20


class AtOnce:
    """An engine that ends a trial whenever it is looked after."""

    def __init__(self, queue: TrialQueue, url: str, execution: Execution) -> None:
        self.queue, self.keys, self.polls = queue, set[str](), 0

    def offer(self, keys: Sequence[str], waiting: int) -> None:
        self.keys |= set(keys)

    def poll(self, waiting: int) -> bool:
        self.polls += 1
        assert self.polls < MOST_POLLS, "the run goes on for ever"
        for trial in claim(self.queue.studies, self.queue.storage, self.keys, lambda _: 1):
            record(self.queue.study, trial, Outcome(TrialState.COMPLETE, TrialFacts({"val_map": 0.5})))
        return False

    def last_failure(self) -> str:
        return ""

    def stop(self) -> None:
        pass


def test_a_run_ends_however_long_a_look_at_its_storage_takes(spec_file, tmp_path, monkeypatch):
    """With a look that takes longer than the time between two, every poll is one."""
    url = str(tmp_path / "o.journal")
    queue = TrialQueue(open_storage(url), make_plan(load_spec(str(spec_file))), load_dataset("digits").fingerprint())
    monkeypatch.setattr(scheduler, "LocalEngine", AtOnce)
    monkeypatch.setattr(scheduler, "_POLL_SECONDS", 0.001)
    monkeypatch.setattr(scheduler, "_RECOVER_SECONDS", 0)
    scheduler.execute(queue, url, Execution(jobs=1, evaluation_threads=1))
    assert queue.unfinished() == []


TUNED = """\
question: How far is it?
base: {code_length: 8, train.epochs: 2}
factors: {sorter.name: [softsort, neuralsort]}
reference: {sorter.name: softsort}
seeds: 2
tune: {trials: 10}
"""


class Watching(Display):
    """Keeps what it is shown."""

    def __init__(self) -> None:
        self.seen: list[Standing] = []

    def show(self, standing: Standing) -> None:
        self.seen.append(standing)


def queue_at_once(spec, folder, monkeypatch):
    """The queue of a study whose trials end as they begin, and where it is stored."""
    # The name counts: which of equal trials is the best so far goes by it.
    (folder / "tuned.yaml").write_text(spec)
    url = str(folder / "o.journal")
    monkeypatch.setattr(scheduler, "LocalEngine", AtOnce)
    monkeypatch.setattr(scheduler, "_POLL_SECONDS", 0.001)
    plan = make_plan(load_spec(str(folder / "tuned.yaml")))
    return TrialQueue(open_storage(url), plan, load_dataset("digits").fingerprint()), url


def test_from_the_start_trials_are_counted_that_tuning_is_yet_to_choose(tmp_path, monkeypatch):
    queue, url = queue_at_once(TUNED, tmp_path, monkeypatch)
    first, then = Watching(), Watching()
    scheduler.execute(queue, url, Execution(jobs=1, evaluation_threads=1, max_trials=12, display=first))
    scheduler.execute(queue, url, Execution(jobs=1, evaluation_threads=1, display=then, others="mix"))
    seen = [*first.seen, *then.seen]
    assert {one.total for one in seen} == {2 * 10 + 2 * 2}
    assert [one.over for one in seen] == sorted(one.over for one in seen)
    assert (first.seen[0].over, first.seen[-1].over, then.seen[0].over, then.seen[-1].over) == (0, 12, 12, 24)
    assert then.seen[-1].details == ("best val_map 0.5000 (neuralsort)",)
    assert then.seen[-1].seconds_left is None


def test_what_learns_from_labels_is_not_the_best_so_far(tmp_path, monkeypatch):
    spec = "question: Which?\nfactors: {method.name: [classifier, csq]}\nseeds: 2\n"
    queue, url = queue_at_once(spec, tmp_path, monkeypatch)
    watching = Watching()
    scheduler.execute(queue, url, Execution(jobs=1, evaluation_threads=1, display=watching))
    assert (watching.seen[-1].over, watching.seen[-1].details) == (4, ())


def test_what_trains_together_ends_together(spec_file, tmp_path):
    """Two runs of a stack take as long as both, one after another."""
    url = str(tmp_path / "o.journal")
    queue = TrialQueue(open_storage(url), make_plan(load_spec(str(spec_file))), load_dataset("digits").fingerprint())
    queue.enqueue(queue.unfinished())
    keys = set(queue.planned)
    outcome = Outcome(TrialState.COMPLETE, TrialFacts({"val_map": 0.5, "total_seconds": 1000.0}))
    for _ in range(2):
        record(queue.study, claim([queue.study], queue.storage, keys, lambda _: 1)[0], outcome)
    assert len(claim([queue.study], queue.storage, keys, lambda _: 2)) == 2
    standing = Progress(queue, workers=1).standing(queue.latest())
    assert (standing.over, standing.running, standing.total) == (2, 2, 4)
    assert standing.seconds_left == pytest.approx(2000, abs=60)
