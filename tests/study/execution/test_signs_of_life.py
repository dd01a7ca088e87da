"""Signs of life: one thread of a process gives those of all its trials."""

import multiprocessing
import threading
import time

import optuna
import pytest

from study.execution import signs_of_life
from study.execution.attributes import own
from study.execution.signs_of_life import alive


@pytest.fixture
def study(monkeypatch) -> optuna.Study:
    monkeypatch.setattr(signs_of_life, "BEAT_SECONDS", 0.01)
    signs_of_life._pulse.cache_clear()
    return optuna.create_study()


def beats(study: optuna.Study) -> list[int | None]:
    return [own(trial, "beat") for trial in study.get_trials()]


def counted_on(study: optuna.Study) -> None:
    """Returns once each trial has two more signs of life."""
    for _ in range(2):
        before = beats(study)
        while not all(one not in (None, old) for one, old in zip(beats(study), before, strict=True)):
            time.sleep(0.005)


def test_one_thread_counts_on_all_trials_of_a_process_until_their_blocks_end(study):
    first, second = study.ask(), study.ask()
    threads = threading.active_count()
    with alive(study, first):
        with alive(study, second):
            counted_on(study)
        counted = beats(study)[1]
        with alive(study, first):
            assert threading.active_count() == threads + 1
    last = beats(study)
    assert last[1] == counted
    time.sleep(0.1)
    assert beats(study) == last


def test_a_fork_counts_on_its_trials_itself(study):
    trial = study.ask()
    with alive(study, trial):
        counted_on(study)

    def run() -> None:
        with alive(study, trial):
            counted_on(study)

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    process.join()
    assert process.exitcode == 0
