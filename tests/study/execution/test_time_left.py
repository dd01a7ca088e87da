"""How long the rest takes, by what trials took and how far stacks are."""

import pytest

from study.execution.time_left import Kind, Stack, TimeLeft

A, B = Kind("a", "final"), Kind("b", "final")


def test_what_trials_took_is_what_the_next_take_by_arm_and_worker():
    time = TimeLeft(workers=2)
    assert time.estimate([], [A]) is None
    for kind, seconds in ((A, 10.0), (A, 20.0), (B, 45.0)):
        time.took(kind, seconds)
    assert time.estimate([], [A, B]) == pytest.approx((15 + 45) / 2)
    assert time.estimate([], [Kind("a", "tuning"), Kind("c", "final")], others=2) == pytest.approx((15 + 3 * 25) / 2)
    assert time.estimate([], []) is None


def test_a_stack_ends_as_a_whole_and_by_its_own_reports():
    time = TimeLeft(workers=1)
    # Nobody saw when a report came that was there before.
    assert time.estimate([Stack(1, [A, A], 50.0, 0.25)], [B]) is None
    assert time.estimate([Stack(1, [A, A], 60.0, 0.50)], [B]) == pytest.approx(60 + 120 / 2)
    assert time.estimate([Stack(1, [A, A], 100.0, 0.50)], [B]) == pytest.approx(20 + 60)
    # Another stack, of which nothing is known but what runs of the first take, trains beside it.
    both = [Stack(1, [A, A], 100.0, 0.50), Stack(2, [A, A, B], 10.0, 0.0)]
    assert time.estimate(both, []) == pytest.approx(180 - 10)


def test_nothing_is_said_of_a_stack_that_is_long_overdue():
    time = TimeLeft(workers=1)
    time.took(A, 10.0)
    assert time.estimate([Stack(1, [A], 12.0, 0.0)], [A]) == pytest.approx(10)
    assert time.estimate([Stack(1, [A], 16.0, 0.0)], [A]) is None
