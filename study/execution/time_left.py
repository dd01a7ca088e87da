"""How long the rest of a study takes, by what trials took and how far stacks are; nothing is said of the unknown."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from statistics import mean

# Beyond so many times what it should have taken, nobody knows how long a stack will take.
_OVERDUE = 1.5


@dataclass(frozen=True)
class Kind:
    """Trials that take about as long as one another.

    Attributes:
        arm: Name of their arm.
        phase: "tuning" or "final".
    """

    arm: str
    phase: str


@dataclass(frozen=True)
class Stack:
    """Trials that train together, and end together.

    Attributes:
        lead: Tells it from others.
        kinds: Of its trials.
        elapsed: Seconds since it began.
        done: Share of its epochs that were reported, in [0, 1].
    """

    lead: Hashable
    kinds: Sequence[Kind]
    elapsed: float
    done: float


class TimeLeft:
    """Learns from trials that end and from reports on the way.

    Args:
        workers: That train stacks at the same time, at least.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._took: dict[Kind, list[float]] = {}
        self._reported: dict[Hashable, tuple[float, float | None]] = {}

    def took(self, kind: Kind, seconds: float) -> None:
        """Learns what a trial took.

        Args:
            kind: Of the trial.
            seconds: Its share of those of its stack.
        """
        self._took.setdefault(kind, []).append(seconds)

    def estimate(self, stacks: Sequence[Stack], waiting: Sequence[Kind], others: int = 0) -> float | None:
        """Seconds until all is over; none where there is nothing to go by.

        Args:
            stacks: Under way.
            waiting: Trials that wait.
            others: Trials that will be queued, of whatever kind.
        """
        whole = {stack.lead: self._whole(stack) for stack in stacks}
        known = {kind: list(seconds) for kind, seconds in self._took.items()}
        for stack in stacks:
            for kind in stack.kinds:
                if (seconds := whole[stack.lead]) is not None:
                    known.setdefault(kind, []).append(seconds / len(stack.kinds))
        if not known or not (stacks or waiting or others):
            return None
        rests = []
        for stack in stacks:
            seconds = whole[stack.lead] or sum(_expected(kind, known) for kind in stack.kinds)
            if stack.elapsed > _OVERDUE * seconds:
                return None
            rests.append(max(0.0, seconds - stack.elapsed))
        queued = sum(_expected(kind, known) for kind in waiting) + others * _mean_of(known.values())
        return max([*rests, (sum(rests) + queued) / max(self._workers, len(stacks))])

    def _whole(self, stack: Stack) -> float | None:
        """What a stack takes as a whole, by its last report; none where nobody saw when that came."""
        before, at = self._reported.get(stack.lead, (stack.done, None))
        if stack.done > before:
            at = stack.elapsed
        self._reported[stack.lead] = stack.done, at
        return None if at is None else at / stack.done


def _expected(kind: Kind, known: dict[Kind, list[float]]) -> float:
    """What a trial takes: as others of its kind, else of its arm, else as all."""
    same = known.get(kind)
    return mean(same) if same else _mean_of([known[one] for one in known if one.arm == kind.arm] or known.values())


def _mean_of(seconds: Iterable[Sequence[float]]) -> float:
    return mean(one for some in seconds for one in some)
