"""Signs of life: who works gives them, and who waits notices when there are none."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import threading
import time
from collections.abc import Collection, Hashable, Iterator, Mapping
from functools import cache

import optuna

from study.execution.attributes import set_own
from study.storage.optuna_internals import storage_of, trial_id

BEAT_SECONDS = 15
STALE_SECONDS = 120


class Silence:
    """Notices what has given no sign of life for long, by this process' monotonic clock: others may differ and jump."""

    def __init__(self) -> None:
        self._known: dict[Hashable, tuple[int, float]] = {}
        self._looked = time.monotonic()

    def after(self, signs: Mapping[Hashable, int]) -> Collection[Hashable]:
        """Looks at signs of life.

        Args:
            signs: A count of each; any other number than at the last look is a sign.

        Returns:
            Those of which there was none for STALE_SECONDS.
        """
        # Of a time in which nobody looked, as this process was stopped or its storage away, nothing is known.
        passed = min(time.monotonic() - self._looked, BEAT_SECONDS)
        self._looked = time.monotonic()
        before, self._known = self._known, {one: (sign, 0.0) for one, sign in signs.items()}
        for one, (sign, silent) in before.items():
            if signs.get(one) == sign:
                self._known[one] = sign, silent + passed
        return [one for one, (_, silent) in self._known.items() if silent > STALE_SECONDS]


def no_sign_of(who: str) -> str:
    """What silence is called.

    Args:
        who: In words.
    """
    return f"no sign of life of {who} for {STALE_SECONDS} s"


def alive(study: optuna.Study, trial: optuna.Trial) -> contextlib.AbstractContextManager[None]:
    """Counts on a trial while the block runs, so that whoever waits for it sees that it does.

    Args:
        study: That it belongs to.
        trial: A running one, the first of its stack.

    Returns:
        A context, of nothing.
    """
    return _pulse(os.getpid()).of(study, trial)


class _Pulse:
    """Counts on the trials of a process, in one thread for all of them: to start and end one each takes longer."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._trials: dict[object, tuple[optuna.Study, optuna.Trial]] = {}
        threading.Thread(target=self._go_on, daemon=True).start()

    @contextlib.contextmanager
    def of(self, study: optuna.Study, trial: optuna.Trial) -> Iterator[None]:
        """See alive."""
        block = object()
        with self._lock:
            self._trials[block] = study, trial
        try:
            yield
        finally:
            # A sign that is being given comes first.
            with self._lock:
                del self._trials[block]

    def _go_on(self) -> None:
        # Where another process began before, the same numbers again would be no signs.
        for count in itertools.count(random.randrange(1 << 30)):
            time.sleep(BEAT_SECONDS)
            with self._lock:
                for study, trial in self._trials.values():
                    beat(study, trial, count)


@cache
def _pulse(pid: int) -> _Pulse:
    """A fork has no threads of whoever it was forked from: a pulse for each process id."""
    return _Pulse()


def beat(study: optuna.Study, trial: optuna.Trial, count: int) -> None:
    """A sign of life of a running trial.

    Args:
        study: That it belongs to.
        trial: A running one.
        count: One more than last time.
    """
    # If the trial was given up, or storage is away, that shows where the result is recorded.
    with contextlib.suppress(Exception):
        set_own(storage_of(study), trial_id(trial), "beat", count)
