"""Tables that are older than their spec or their storage say so."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from study.analysis.outdated import outdated
from study.analysis.results import read_results
from study.storage.opening import open_storage
from tests.study.commands import SPEC, report

CHANGED = "the spec changed since these tables were written ({}): run the study again"


def test_a_report_on_tables_of_now_says_nothing_of_the_kind(reported):
    assert "note:" not in (reported / "stdout").read_text()


@pytest.mark.parametrize(
    ("before", "after", "names"),
    [
        ("seeds: 2", "seeds: 3", "seeds"),
        ("train.epochs: 2", "train.epochs: 3", "base"),
        ("[softsort, argsort]", "[softsort, argsort, neuralsort]", "factors"),
        ("question: Does", "dataset: digits\nquestion: Did", "question"),
        ("sorter.name", "sorter.name", ""),
    ],
)
def test_a_spec_that_changed_is_told(undisturbed, spec_file, before, after, names):
    spec_file.write_text(SPEC.replace(before, after))
    expected = [CHANGED.format(names)] if names else []
    assert outdated(read_results(undisturbed / "tiny"), str(spec_file)) == expected


def test_the_shipped_spec_of_that_question_is_looked_at(undisturbed_copy):
    facts = undisturbed_copy / "tiny" / "run.json"
    for name, question, told in (("selection", "Other?", 0), ("selection", None, 1), ("tiny", None, 0)):
        known = json.loads(facts.read_text())
        shipped = "How many positives, and which negatives, should SortedNCE take from the sorted list?"
        known["spec"] |= {"name": name, "question": question or shipped}
        facts.write_text(json.dumps(known))
        assert len(outdated(read_results(undisturbed_copy / "tiny"), "tiny")) == told


def test_trials_that_ended_since_are_told_where_the_storage_is(undisturbed_copy, tmp_path):
    place, facts = undisturbed_copy / "optuna.journal", undisturbed_copy / "tiny" / "run.json"

    def told(storage: Path | str) -> list[str]:
        facts.write_text(json.dumps(json.loads(facts.read_text()) | {"storage": str(storage)}))
        return outdated(read_results(facts.parent), "tiny")

    assert told(place) == []
    study = optuna.load_study(study_name="tiny", storage=open_storage(str(place)))
    study.add_trial(create_trial(state=TrialState.FAIL, user_attrs={"failure": "interrupted: by hand"}))
    assert told(place) == []
    study.add_trial(create_trial(state=TrialState.COMPLETE, value=0.5))
    assert told(place) == ["1 trial has ended since these tables were written: run the study again"]
    assert told(tmp_path / "elsewhere") == told("postgresql://somewhere/else") == []
    assert told(place)
    again = report("--study", "tiny", "--results", undisturbed_copy, "--reports", tmp_path / "p")
    assert "note: 1 trial has ended since" in again.stdout


def test_a_try_of_the_same_number_hides_no_final_trial_that_ended_since(tuned, tmp_path):
    folder = shutil.copytree(tuned, tmp_path / "tuned")
    [facts] = folder.glob("*/run.json")
    earlier = {"storage": str(folder / "optuna.journal"), "written": "2000-01-01T00:00:00+00:00"}
    facts.write_text(json.dumps(json.loads(facts.read_text()) | earlier))
    results = read_results(facts.parent)
    assert outdated(results, "tuned") == []
    trials = results.tables.trials
    tries, last = trials[trials.phase == "tuning"].trial, trials[trials.phase == "final"].trial.iloc[-1]
    assert last in set(tries)
    before = trials[(trials.phase != "final") | (trials.trial != last)]
    then = replace(results, tables=replace(results.tables, trials=before))
    assert outdated(then, "tuned") == ["1 trial has ended since these tables were written: run the study again"]
