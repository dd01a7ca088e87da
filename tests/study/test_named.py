"""What --study means where a name is that of results, and of no spec."""

import json
import shutil

import pytest

from nsh_core import UserError
from study import Study
from study.named import spec_named
from study.plan.loading import load_spec
from tests.study.commands import report, run


def test_the_name_of_results_is_told_with_the_command_that_made_them(undisturbed):
    typed = rf"`python study/run.py --study \S+/tiny\.yaml --results {undisturbed} --jobs 1`"
    message = (
        rf"^no shipped study is called 'tiny', and its results in {undisturbed}/tiny are .*: give .*, as in {typed}$"
    )
    for ask in (spec_named, lambda name, results: Study(name, results=results)):
        with pytest.raises(UserError, match=message):
            ask("tiny", undisturbed)
    for trials in ((), ("--trials", 3)):
        refused = run("--study", "tiny", "--results", undisturbed, *trials)
        assert refused.returncode == 2
        assert refused.stderr.startswith("error: no shipped study is called 'tiny', and its results in ")


def test_results_of_python_are_told_as_such(undisturbed, tmp_path):
    shutil.copytree(undisturbed / "tiny", tmp_path / "tiny")
    facts = tmp_path / "tiny" / "run.json"
    facts.write_text(json.dumps(json.loads(facts.read_text()) | {"command": "Study.run() in Python"}))
    with pytest.raises(UserError, match=r"its spec: it was run from Python: go on there, or give "):
        spec_named("tiny", tmp_path)
    facts.write_text("{")
    with pytest.raises(UserError, match=r"are not its spec: give the path of its spec, which ends in \.yaml$"):
        spec_named("tiny", tmp_path)


def test_a_shipped_study_is_itself_whatever_results_there_are(undisturbed, tmp_path):
    shutil.copytree(undisturbed / "tiny", tmp_path / "transfer")
    assert spec_named("transfer", tmp_path) == load_spec("transfer")


def test_reports_know_the_results_that_are_there(undisturbed):
    refused = report("--study", "tinny", "--results", undisturbed)
    assert ", transfer, tiny, or give the path of a .yaml file; did you mean 'tiny'?" in refused.stderr
    assert "tiny, or give" not in run("--study", "tinny", "--results", undisturbed).stderr
