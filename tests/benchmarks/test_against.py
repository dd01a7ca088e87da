"""Another commit in turns with this one."""

import json
from itertools import chain, repeat

import pytest
import torch

from benchmarks import against, run
from benchmarks.goals import GOALS, Goal, compared
from benchmarks.history import git

NO_REPOSITORY = not git("rev-parse", "HEAD")


class Checkout:
    """Answers to orders: what it has in groups, and seconds one after another, or why there are none."""

    def __init__(self, cases, seconds):
        self.cases, self.seconds = cases, iter(seconds)

    def ask(self, group=None, time=None):
        return self.cases if group else next(self.seconds)


def test_ratios_are_of_pairs_and_the_first_pair_is_not_counted():
    here = Checkout([["a", 1]], chain([100.0], repeat(1.0)))
    other = Checkout([["a", 1]], [1.0, *([2.0, 3.0, 4.0] * 3)])
    row = against._in_turns(here, other, 0)
    assert row == {"project_s": 1, "against_s": 3, "faster": 3, "low": 2, "high": 4, "rounds": 9}


def test_what_fails_is_said():
    failing = Checkout([], repeat({"error": "ValueError: no"}))
    fine = Checkout([], repeat(1.0))
    assert against._in_turns(fine, failing, 0) == "the other commit fails: ValueError: no"
    assert against._in_turns(failing, fine, 0).startswith("this one fails")


@pytest.mark.parametrize(("count", "low", "high"), [(1, 0, 0), (5, 0, 4), (9, 1, 7), (20, 5, 14)])
def test_the_interval_of_a_median_is_that_of_the_sign_test(count, low, high):
    assert against.interval(range(count)) == (low, high)


@pytest.mark.slow(12)
@pytest.mark.skipif(NO_REPOSITORY, reason="no git repository")
def test_this_commit_in_turns_with_itself(monkeypatch):
    monkeypatch.setattr(against, "MOST_RUNS", 1)
    monkeypatch.setattr(against, "_LEAST_ROUNDS", 1)
    commit = against.commit_named("HEAD")
    rows = list(against.rows_against(commit, ["torchsort"], torch.device("cpu"), True, print))
    assert [(row["name"], row["n"], row["rounds"]) for row in rows] == [("torchsort", 64, 1), ("torchsort", 128, 1)]
    for row in rows:
        assert row["low"] == row["faster"] == row["high"] == row["against_s"] / row["project_s"]


def test_a_run_against_a_commit_is_kept_and_compared_with_goals(monkeypatch, tmp_path, capsys):
    row = {"name": "start_list", "n": 1, "device": "cpu", "project_s": 0.5, "against_s": 3.8}
    row |= {"faster": 7.6, "low": 7.1, "high": 8.2, "rounds": 9}
    monkeypatch.setattr(run, "commit_named", lambda rev: f"the commit {rev}")
    monkeypatch.setattr(run, "rows_against", lambda *_: [row])
    run.bench(only=["start"], against="v1", output=tmp_path / "runs.json", markdown=tmp_path / "table.md")
    [kept] = json.loads((tmp_path / "runs.json").read_bytes())
    assert (kept["against"], kept["rows"]) == ("the commit v1", [row])
    assert "| 3.8 | 0.5 | 7.6 | 7.1 | 8.2 | 9 |" in (tmp_path / "table.md").read_text()
    [goal] = [line for line in capsys.readouterr().out.splitlines() if "yes" in line]
    assert "3.8 s" in goal
    assert "0.5 s" in goal


def test_a_case_that_the_other_commit_has_not_is_left_out_with_a_line(monkeypatch, tmp_path):
    made = iter([Checkout([["a", 1]], repeat(1.0)), Checkout({"error": "ImportError: no step"}, [])])
    monkeypatch.setattr(against, "_process", lambda *_: _Open(next(made)))
    monkeypatch.setattr(against, "_unpack", lambda *_: None)
    said = []
    assert list(against.rows_against("c0ffee", ["step"], torch.device("cpu"), True, said.append)) == []
    assert said == ["step: left out, c0ffee has it not: ImportError: no step"]


class _Open:
    def __init__(self, checkout):
        self.checkout = checkout

    def __enter__(self):
        return self.checkout

    def __exit__(self, *_):
        return None


def test_goals_are_met_by_seconds_ratios_and_shares():
    def row(project, reference=None):
        return {"name": "a", "n": 2, "project_s": project, "reference_s": reference}

    seconds, faster, share = Goal("a", 2, 3), Goal("a", 2, 4, "faster"), Goal("a", 2, 0.5, "references")
    assert [goal.value([row(9, 9), row(2, 8)]) for goal in (seconds, faster, share)] == [2, 4, 0.25]
    assert [goal.missed_by(goal.value([row(6, 12)])) for goal in (seconds, faster, share)] == [2, 2, 1]
    assert faster.value([row(1)]) is None
    assert seconds.value([]) is None


def test_goals_are_told_before_and_after():
    [goal] = [one for one in GOALS if one.name == "start_list"]
    before, after = ({"name": "start_list", "n": 1, "project_s": seconds} for seconds in (3.8, 0.5))
    assert compared([before], [after]) == [["start_list", "1", goal.shown(1), "3.8 s", "0.5 s", "yes"]]
    assert compared([], [before]) == [["start_list", "1", "1 s", "", "3.8 s", "no, by 3.8 x"]]
    assert compared([before], []) == []
