"""Trials as tasks on a Ray cluster; the driver keeps the books, so that nodes need no storage."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import optuna
import ray

from nsh_core import Config, Dataset, UserError, load_dataset, plugins
from study.execution.claim import claim
from study.execution.queue import TrialQueue, interrupt
from study.execution.records import Task
from study.execution.signs_of_life import BEAT_SECONDS, beat
from study.execution.stack_size import CPU_STACK, CUDA_STACK
from study.execution.trial import Outcome, record, train
from study.storage.optuna_internals import frozen, held

_RETRIES = 3


class RayEngine:
    """Trains queued trials as tasks on the Ray cluster that this process belongs to, or that RAY_ADDRESS names.

    A task whose node is lost runs again elsewhere, by Ray; what Ray gives up is queued again.

    Args:
        queue: Of the study.
        gpus: Share of a GPU of each task, 0 for none.
        batch_trials: Runs of a task; none: up to 16 with a GPU, up to 10 on the CPU.

    Attributes:
        queue: Of the study.
        gpus: Share of a GPU of each task.
        batch_trials: Runs of a task, as given.
        threads: CPUs of each task.
        task: What Ray runs.
        keys: Offered so far.
        running: The trials of each task under way.
        waiting: Trials that wait altogether.
        beats: Signs of life so far.
        beaten: When the last one was, in seconds of the monotonic clock.
        last_end: What the last task that was lost was lost to.

    Raises:
        UserError: There is no cluster, or none with room for a task.
    """

    def __init__(self, queue: TrialQueue, gpus: float, batch_trials: int | None) -> None:
        self.queue, self.gpus, self.batch_trials = queue, gpus, batch_trials
        try:
            _knock(os.environ.get("RAY_ADDRESS", "auto"))
            ray.init(address="auto", log_to_driver=False, logging_level=logging.ERROR)
        except (OSError, ValueError, RuntimeError) as error:
            raise UserError(
                f"no Ray cluster found ({' '.join(str(error).split())[:200]}): start one with `ray start --head`, "
                "or set RAY_ADDRESS"
            ) from None
        self.threads = max(trial.config.train.threads for trial in queue.plan.trials)
        needed = f"{self.gpus} GPUs" if gpus else f"{self.threads} CPUs"
        if self._slots() < 1:
            total = ray.cluster_resources()
            there = f"{total.get('CPU', 0):g} CPUs and {total.get('GPU', 0):g} GPUs"
            raise UserError(f"a task needs {needed}, the Ray cluster has {there}")
        self.task = ray.remote(num_cpus=self.threads, num_gpus=gpus, max_retries=_RETRIES)(_train)
        self.keys: set[str] = set()
        self.running: dict[Any, list[optuna.Trial]] = {}
        self.waiting = 0
        self.beats, self.beaten = 0, time.monotonic()
        self.last_end = "its process ended"

    def _slots(self) -> int:
        total = ray.cluster_resources()
        by_cpu = int(total.get("CPU", 0) / self.threads)
        return min(by_cpu, int(total.get("GPU", 0) / self.gpus)) if self.gpus else by_cpu

    def offer(self, keys: Sequence[str], waiting: int) -> None:
        """Takes keys up; poll submits their trials.

        Args:
            keys: That were queued.
            waiting: Trials that wait altogether.
        """
        self.keys.update(keys)
        self.waiting = waiting

    def _stack(self, config: Config) -> int:
        """How many runs a task gets."""
        if self.batch_trials is not None:
            return self.batch_trials
        share = -(-self.waiting // max(1, self._slots()))
        return max(1, min(CUDA_STACK if self.gpus else CPU_STACK, share))

    def poll(self, waiting: int) -> bool:
        """Records what is over, submits tasks while the cluster has room, and gives a sign of life of each.

        Args:
            waiting: Trials that wait altogether.

        Returns:
            Whether a task was lost.

        Raises:
            UserError: A task ended by an error that others would end by too.
        """
        self.waiting = waiting
        ended = self._collect()
        while len(self.running) < self._slots():
            trials = claim(self.queue.studies, self.queue.storage, self.keys, self._stack)
            if not trials:
                break
            self._submit(trials)
        if time.monotonic() - self.beaten > BEAT_SECONDS:
            self.beats, self.beaten = self.beats + 1, time.monotonic()
            for trials in self.running.values():
                beat(trials[0].study, trials[0], self.beats)
        return ended

    def _submit(self, trials: list[optuna.Trial]) -> None:
        tasks = [Task.of(held(trial)) for trial in trials]
        reference = self.task.remote(
            [task.config.model_dump_json() for task in tasks],
            self.queue.plan.dataset,
            self.queue.fingerprint,
            tasks[0].phase == "final",
            [task.prune_below for task in tasks],
            plugins.loaded(),
        )
        self.running[reference] = trials

    def _collect(self) -> bool:
        """Records what is over; whether a task was lost."""
        done, _ = ray.wait(list(self.running), num_returns=len(self.running), timeout=0) if self.running else ([], [])
        lost = False
        for reference in done:
            trials = self.running.pop(reference)
            try:
                outcomes: list[Outcome] = ray.get(reference)
            except ray.exceptions.RayTaskError as error:
                raise UserError(f"a Ray task ended: {' '.join(str(error.cause).split())}") from None
            except ray.exceptions.RayError as error:
                lost = True
                self.last_end = f"Ray gave its task up: {str(error).strip().splitlines()[0]}"
                for trial in trials:
                    interrupt(self.queue.storage, frozen(trial.study, trial), self.last_end)
                continue
            for trial, outcome in zip(trials, outcomes, strict=True):
                record(trial.study, trial, outcome, reported=False)
        return lost

    def last_failure(self) -> str:
        """What the last task that was lost was lost to."""
        return self.last_end

    def stop(self) -> None:
        """Cancels all tasks, marks their trials as interrupted, and leaves the cluster."""
        for reference, trials in self.running.items():
            ray.cancel(reference, force=True)
            for trial in trials:
                interrupt(self.queue.storage, frozen(trial.study, trial), "the run was stopped")
        ray.shutdown()


def _train(
    configs: Sequence[str],
    dataset: str,
    fingerprint: str,
    test: bool,
    below: Sequence[Mapping[int, float]],
    extras: Sequence[plugins.Plugin],
) -> list[Outcome]:
    """The task: trains configs on this node's copy of the data."""
    plugins.receive(extras)
    data = _data(dataset)
    if data.fingerprint() != fingerprint:
        raise UserError(f"{dataset} on node {ray.util.get_node_ip_address()} is not the data of this study")
    return train([Config.model_validate_json(text) for text in configs], data, 1, test, below)


def _knock(address: str) -> None:
    """Raises OSError where nobody listens at HOST:PORT, for which Ray would wait minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal() and "//" not in host:
        socket.create_connection((host, int(port)), timeout=10).close()


@cache
def _data(name: str) -> Dataset:
    """A data set, read once by each process."""
    return load_dataset(name)
