"""The judge of histories refuses wrong ones."""

from dataclasses import replace

import pytest

from tests.study.execution.judge import Ended, Event, History, judge

A, B = "one:1:12:boot-1:first", "one:2:13:boot-1:second"
SILENCE = "interrupted: no sign of life of process 1 on one for 2.0 s"
DEAD = "interrupted: its process ended"

FIRST = Ended(0, "k", "fail", failure=SILENCE, owner=A, lead=0)
SECOND = Ended(1, "k", "complete", 0.5, owner=B, lead=1, counts=True)
CLAIMED = Event("claimed", 0.0, 0.1, A, 0)
ALIVE = Event("alive", 1.0, 1.1, A, 0)
TAKEN = Event("ended", 4.0, 4.1, B, 0, looked=3.9, text=SILENCE)
AGAIN = Event("claimed", 4.2, 4.3, B, 1)
LATE = Event("recorded", 5.0, 5.1, A, 0)
RECORDED = Event("recorded", 6.0, 6.1, B, 1)
OVER = Event("run", 7.0, 7.1, B)
RIGHT = History({"k": 0.5}, 2.0, [FIRST, SECOND], [CLAIMED, ALIVE, TAKEN, AGAIN, LATE, RECORDED, OVER])


def test_a_takeover_after_silence_is_right():
    assert judge(RIGHT) == []


def trials(*changed: Ended) -> History:
    return replace(RIGHT, trials=changed)


def events(*more: Event, without: Event | None = None) -> History:
    return replace(RIGHT, events=[*(one for one in RIGHT.events if one != without), *more])


WRONG = {
    "claimed 2 times": events(replace(AGAIN, trial=0)),
    "and belongs to": trials(replace(FIRST, owner=B), SECOND),
    "was recorded by": events(replace(RECORDED, who=A)),
    "key k has 2 results": trials(replace(FIRST, state="complete", value=0.5, failure=""), SECOND),
    "key k has 0 results": trials(FIRST, replace(SECOND, state="fail", failure=DEAD)),
    "key k shows []": trials(FIRST, replace(SECOND, counts=False)),
    "trial 0 is running after all": trials(replace(FIRST, state="running", failure=""), SECOND),
    "counts though it was taken": trials(
        replace(FIRST, state="complete", value=0.5, failure="", counts=True), replace(SECOND, counts=False)
    ),
    "value 0.4 of 0.5": trials(FIRST, replace(SECOND, value=0.4)),
    "whole False": trials(FIRST, replace(SECOND, whole=False)),
    "failure 'interrupted": trials(FIRST, replace(SECOND, failure=SILENCE)),
    "1.00 s after a sign of life": events(replace(ALIVE, began=3.0, done=3.1)),
    "which recorded afterwards": replace(
        RIGHT,
        trials=[replace(FIRST, failure=DEAD), SECOND],
        events=[replace(one, text=DEAD) if one == TAKEN else one for one in RIGHT.events],
    ),
    "a run ended with OSError: no": events(replace(OVER, text="OSError: no")),
    "2 runs: waited for too long": events(Event("limit", text="2 runs")),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_history_is_refused(what):
    assert any(what in line for line in judge(WRONG[what])), judge(WRONG[what])


def test_a_sign_of_life_that_came_after_the_look_is_too_late():
    assert judge(events(replace(ALIVE, began=3.85, done=3.95))) == []


def test_a_sign_of_the_first_of_a_stack_is_one_of_all():
    stacked = trials(replace(FIRST, lead=1), SECOND)
    assert judge(stacked) == []
    assert judge(replace(stacked, events=[*stacked.events, Event("alive", 3.0, 3.1, A, 1)])) != []
