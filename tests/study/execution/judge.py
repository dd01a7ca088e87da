"""Judges a history of a queue by what must hold of any: claimed once, one result, never lost."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

INTERRUPTED = "interrupted: "
# How a trial is taken from a process that only silence tells of.
SILENT = f"{INTERRUPTED}no sign of life of process "


@dataclass(frozen=True)
class Event:
    """What a process did.

    kind: claimed, alive (a sign of life), recorded, ended (a trial that it gave up, or took from another), run (one
    that is over) or limit (what was waited for too long). began, done: before and after it, by the monotonic clock of
    all. who: as ownership.this_process names it. looked: of ended, when its look at the queue began. text: of ended,
    the reason; of run, how it ended.
    """

    kind: str
    began: float = 0.0
    done: float = 0.0
    who: str = ""
    trial: int = -1
    looked: float = 0.0
    text: str = ""


@dataclass(frozen=True)
class Ended:
    """A trial as the storage has it when all is over; counts: whether it is what the queue shows of its key."""

    number: int
    key: str
    state: str
    value: float | None = None
    failure: str = ""
    owner: str = ""
    lead: int = -1
    whole: bool = True
    counts: bool = False


@dataclass(frozen=True)
class History:
    """expected: of each planned key, its result. stale: seconds of silence after which a trial may be taken."""

    expected: Mapping[str, float]
    stale: float
    trials: Sequence[Ended]
    events: Sequence[Event] = field(default_factory=tuple)


def judge(history: History) -> list[str]:
    """What is wrong with a history, a line each; nothing if all holds."""
    by_trial = defaultdict(list)
    for event in history.events:
        by_trial[event.trial].append(event)
    wrong = [f"{event.text}: waited for too long" for event in history.events if event.kind == "limit"]
    wrong += [f"a run ended with {event.text}" for event in history.events if event.kind == "run" and event.text]
    wrong += _results(history)
    for trial in history.trials:
        own = by_trial[trial.number]
        wrong += [f"trial {trial.number} {what}" for what in [*_claims(trial, own), *_late(trial, own)]]
        if trial.failure.startswith(INTERRUPTED) and trial.state == "fail":
            wrong += _taken(trial, own, by_trial[trial.lead], history)
    return wrong


def _results(history: History) -> Iterable[str]:
    """Each key has one result, and it is its own; nothing is left in the queue."""
    complete = Counter(trial.key for trial in history.trials if trial.state == "complete")
    counted = defaultdict(list)
    for trial in history.trials:
        if trial.counts:
            counted[trial.key].append(trial)
        if trial.state in ("waiting", "running"):
            yield f"trial {trial.number} is {trial.state} after all"
    for key, expected in history.expected.items():
        if complete[key] != 1:
            yield f"key {key} has {complete[key]} results"
        if [trial.state for trial in counted[key]] != ["complete"]:
            yield f"key {key} shows {[(trial.number, trial.state, trial.failure) for trial in counted[key]]}"
        for trial in counted[key]:
            if trial.state == "complete" and not (trial.whole and trial.value == expected and not trial.failure):
                yield (
                    f"trial {trial.number} is not as recorded: whole {trial.whole}, value {trial.value} of {expected}, "
                    f"failure {trial.failure!r}"
                )


def _claims(trial: Ended, events: Sequence[Event]) -> Iterable[str]:
    """Claimed once, and a result is of who claimed it."""
    claimed = [event.who for event in events if event.kind == "claimed"]
    if len(claimed) > 1:
        yield f"was claimed {len(claimed)} times: {claimed}"
    if claimed and trial.owner not in claimed:
        yield f"was claimed by {claimed} and belongs to {trial.owner!r}"
    strangers = {event.who for event in events if event.kind == "recorded"} - {trial.owner}
    if strangers:
        yield f"of {trial.owner!r} was recorded by {strangers}"


def _late(trial: Ended, events: Sequence[Event]) -> Iterable[str]:
    """A result after a takeover changes nothing."""
    taken = [event.done for event in events if event.kind == "ended" and event.text.startswith(INTERRUPTED)]
    recorded = [event.began for event in events if event.kind == "recorded"]
    if taken and recorded and min(taken) < min(recorded) and (trial.state != "fail" or trial.counts):
        yield "counts though it was taken before its result came"


def _taken(trial: Ended, events: Sequence[Event], lead: Sequence[Event], history: History) -> Iterable[str]:
    """A trial is taken from a process that is over, or was silent for long."""
    takes = [event for event in events if event.kind == "ended" and event.text == trial.failure]
    if not takes:
        return  # whoever took it was killed before it could say so
    first = min(takes, key=lambda event: event.began)
    if not trial.failure.startswith(SILENT):
        later = [event for event in history.events if event.who == trial.owner and event.began > first.done]
        if trial.owner and later:
            yield f"trial {trial.number} was taken as of a dead process, which {later[0].kind} afterwards"
        return
    signs = [event for event in [*events, *lead] if event.kind in ("claimed", "alive") and event.done < first.looked]
    silent = first.began - max((event.began for event in signs), default=0.0)
    if silent < history.stale:
        yield f"trial {trial.number} was taken {silent:.2f} s after a sign of life, by {first.who}"
