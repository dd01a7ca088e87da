"""Whether a command ran all that it asks for, by the tables alone."""

import json
import shlex
import shutil

import pytest

from study.again import ran_all
from study.analysis.run_facts import RunFacts
from study.run import app
from tests.study.commands import ROOT


@pytest.fixture
def typed(undisturbed, tmp_path, monkeypatch):
    """The folder of results of a complete study, and the command line that ran it, given again."""
    shutil.copytree(undisturbed / "tiny", tmp_path / "tiny")
    facts = RunFacts.read(tmp_path / "tiny")
    monkeypatch.setattr("sys.argv", [str(ROOT / "study" / "run.py"), *shlex.split(facts.command)[2:]])
    return tmp_path


def rewrite(folder, **changes):
    file = folder / "tiny" / "run.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_a_complete_study_given_again_ran_all(typed):
    assert RunFacts.read(typed / "tiny").left == 0
    assert ran_all(typed)


@pytest.mark.parametrize("changes", [{"left": 1}, {"left": None}, {"command": "python study/run.py --study other"}])
def test_a_study_with_trials_left_or_another_command_did_not(typed, changes):
    rewrite(typed, **changes)
    assert not ran_all(typed)


def test_tables_that_cannot_be_read_say_nothing(typed):
    for content in ("{", "[]"):
        (typed / "tiny" / "run.json").write_text(content)
        assert not ran_all(typed)
    assert not ran_all(typed / "nowhere")


@pytest.mark.parametrize("left", [0, 1])
def test_workers_are_warmed_up_where_some_may_be_needed(typed, left, monkeypatch):
    rewrite(typed, left=left)
    warmed = []
    monkeypatch.setattr("study.run.warm_up", lambda: warmed.append(1))
    # What is asked for does not exist: the command ends before it imports anything.
    with pytest.raises(Exception, match="unknown study"):
        app(["--study", "no_such_study", "--results", str(typed)], standalone_mode=False)
    assert len(warmed) == left
