"""What trains queued trials, and how it is asked to."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from study.execution.display import Display
from study.execution.events import OnEvaluation, OnTrial

EngineName = Literal["local", "ray"]
Others = Literal["refuse", "mix", "rerun"]


@dataclass(frozen=True)
class Execution:
    """How to run.

    Attributes:
        jobs: Worker processes.
        evaluation_threads: CPU threads of each one's evaluations.
        batch_trials: Runs that train as one stack; none: what is fastest.
        max_trials: At most so many trials; none: all.
        retry_failed: Whether failed trials run again.
        others: What becomes of trials that another version trained: the run is refused, they stay beside those of this
            one, or run again.
        refresh: Called now and then while trials end, for a dashboard.
        engine: Worker processes here, or tasks on a Ray cluster.
        gpus_per_task: Share of a GPU of each Ray task.
        on_trial: Called after each trial of the run.
        on_evaluation: Called after each evaluation of a trial of the run.
        display: Where it says how far it is.
    """

    jobs: int
    evaluation_threads: int
    batch_trials: int | None = None
    max_trials: int | None = None
    retry_failed: bool = False
    others: Others = "refuse"
    refresh: Callable[[], object] | None = None
    engine: EngineName = "local"
    gpus_per_task: float = 0.0
    on_trial: OnTrial | None = None
    on_evaluation: OnEvaluation | None = None
    display: Display = field(default_factory=Display)


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Engine(Protocol):
    """What trains queued trials: worker processes here, or tasks on a cluster."""

    def offer(self, keys: Sequence[str], waiting: int) -> None:
        """Tells of keys that were queued, and how many trials wait altogether.

        Args:
            keys: That were queued.
            waiting: Trials that wait altogether.
        """

    def poll(self, waiting: int) -> bool:
        """Looks after what runs.

        Args:
            waiting: Trials that wait altogether.

        Returns:
            Whether something ended by itself.

        Raises:
            UserError: Nothing can run.
        """

    def last_failure(self) -> str:
        """What the last process that died died of."""

    def stop(self) -> None:
        """Ends what runs."""
