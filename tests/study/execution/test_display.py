"""What a run says, on a terminal of 80 columns and in a file."""

import io
import re

import pytest
from rich.console import Console

from study.execution import display
from study.execution.display import Lines, Standing, Terminal
from study.execution.events import EndedTrial
from study.execution.failures import Failures

HALF = Standing(20, 40, 4, ("best val_map 0.5123 (an arm with a name that goes on and on)", "2 failed"), 700)


def test_a_file_gets_a_line_now_and_then_and_the_last(monkeypatch, capsys):
    now = iter(range(0, 1000, 10))
    monkeypatch.setattr(display.time, "monotonic", lambda: next(now))
    with Lines() as lines:
        lines.stage("loading digits")
        for over in range(10):
            lines.show(Standing(over, 10))
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "loading digits ..."
    shown = [int(line.split()[0]) for line in told[1:]]
    assert shown[0] == 0
    assert shown[-1] == 9
    assert len(set(shown)) == len(shown) < 6


def test_a_terminal_shows_a_bar_and_what_matters_within_its_width(capsys):
    screen = io.StringIO()
    with Terminal(Console(file=screen, force_terminal=True, width=80)) as terminal:
        terminal.stage("loading digits")
        terminal.show(HALF)
        terminal.say("failed: softsort, seed 0: not_finite")
        terminal.stage("writing tables")
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.getvalue())
    frames = [line.strip() for line in re.split(r"[\r\n]+", text)]
    assert max(map(len, frames)) <= 80
    assert frames[0] == "loading digits ..."
    assert any(re.fullmatch(r"training [━╸╺]+ 20/40 0:00:00 about 12 min left", line) for line in frames)
    assert any(line.startswith("4 running, best val_map 0.5123 (an arm with") for line in frames)
    assert any(line.startswith("writing tables ━") for line in frames)
    assert capsys.readouterr().out == "failed: softsort, seed 0: not_finite\n"


@pytest.mark.parametrize(("arms", "lines"), [(1, 2), (50, 9)])
def test_many_failures_are_a_few_lines(arms, lines):
    told = []
    failures = Failures(told.append)
    for arm in range(arms):
        for seed in range(10):
            failures(EndedTrial(f"arm {arm}", seed, "final", "failed", {}, f"not_finite: in epoch {seed}"))
        failures(EndedTrial(f"arm {arm}", 0, "tuning", "failed", {}, "code_collapse: after epoch 1"))
        failures(EndedTrial(f"arm {arm}", 0, "final", "complete", {}, ""))
    assert told[:2] == [
        "failed: arm 0, seed 0: not_finite: in epoch 0",
        "failed: arm 0, a try of tuning: code_collapse: after epoch 1",
    ]
    assert len(told) == lines
