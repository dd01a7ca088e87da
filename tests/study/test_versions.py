"""Trials of several versions of code, libraries and machine: never in one mean without a word."""

import json
from dataclasses import replace
from pathlib import Path

import optuna
import pandas as pd
import pytest
import torch
from optuna_dashboard import get_note

from study.analysis.results import read_results
from study.analysis.verdict import decide
from study.analysis.versions import versions
from study.execution.attributes import as_system, known
from study.execution.provenance import _of_this_process, capability_setting, differing, provenance, version_of
from study.execution.records import FACTS, TrialFacts
from study.reporting.by_version import by_version
from study.storage.opening import open_storage
from tests.study.commands import as_of_an_earlier_version, run

TORCH = torch.__version__


@pytest.fixture
def older(undisturbed_copy) -> Path:
    """The tiny study, trained by another PyTorch, as its journal says."""
    journal = undisturbed_copy / "optuna.journal"
    trials = optuna.load_study(study_name="tiny", storage=open_storage(str(journal))).trials
    journal.unlink()
    study = optuna.create_study(study_name="tiny", storage=open_storage(str(journal)), direction="maximize")
    for trial in trials:
        facts = TrialFacts.of(trial)
        older = replace(facts, provenance=facts.provenance | {"torch": "2.0.0"})
        shown, rest = older.attributes(known(trial))
        trial.user_attrs, trial.system_attrs = trial.user_attrs | shown, trial.system_attrs | as_system({FACTS: rest})
        study.add_trial(trial)
    return undisturbed_copy


@pytest.fixture
def options(spec_file, undisturbed_copy) -> tuple[object, ...]:
    return "--study", spec_file, "--results", undisturbed_copy


def torches(folder: Path) -> list[str]:
    trials = pd.read_parquet(folder / "tiny" / "trials.parquet")
    return [json.loads(text)["torch"] for text in trials.provenance]


def test_a_run_does_not_mix_versions_unasked(older, options):
    refused = run(*options, "--seeds", 3)
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert f"4 trials of study tiny were trained by another version (torch: 2.0.0 then, {TORCH} now)" in refused.stderr
    assert "--rerun-older" in refused.stderr
    assert "--allow-mixed" in refused.stderr
    both = run(*options, "--rerun-older", "--allow-mixed")
    assert both.returncode == 2
    # Where nothing is left to train, nothing is mixed.
    assert run(*options).returncode == 0


def test_mixed_versions_are_shown_with_their_trials(older, options):
    mixed = run(*options, "--seeds", 3, "--allow-mixed")
    assert mixed.returncode == 0, mixed.stderr
    assert "note: 4 trials of another version stay beside those of this run" in mixed.stdout
    assert sorted(torches(older)) == ["2.0.0"] * 4 + [TORCH] * 2
    results = read_results(older / "tiny")
    assert results.facts.provenance["torch"] == f"2.0.0 (4 trials), {TORCH} (2 trials)"
    assert "2 versions, which differ in torch, trained these trials." in decide(results).cautions
    section = by_version(results)
    assert section.columns == ["commit", "torch", "trials", "of them"]
    assert [row[1:] for row in section.rows] == [
        ["2.0.0", "4", "softsort: seeds 0, 1; argsort: seeds 0, 1"],
        [TORCH, "2", "softsort: seeds 2; argsort: seeds 2"],
    ]
    study = optuna.load_study(study_name="tiny", storage=open_storage(str(older / "optuna.journal")))
    assert "2.0.0 | 4 | softsort: seeds 0, 1" in get_note(study)


def test_older_trials_are_trained_again_on_demand_and_then_count(older, options):
    before = pd.read_parquet(older / "tiny" / "trials.parquet")
    again = run(*options, "--seeds", 3, "--rerun-older")
    assert again.returncode == 0, again.stderr
    assert "note: 4 trials of another version run again" in again.stdout
    assert torches(older) == [TORCH] * 6
    after = pd.read_parquet(older / "tiny" / "trials.parquet")
    common = after[after.seed < 2].reset_index(drop=True)
    assert list(common.codes_sha256) == list(before.codes_sha256)
    assert not set(common.trial) & set(before.trial)
    assert run(*options, "--seeds", 3).returncode == 0
    assert torches(older) == [TORCH] * 6


def test_codes_are_compared_on_one_kind_of_processor_and_map_on_others(undisturbed_copy, options):
    tables = undisturbed_copy / "tiny" / "trials.parquet"
    as_of_an_earlier_version(undisturbed_copy / "tiny")
    trials = pd.read_parquet(tables)
    another = {"CPU capability": "SVE256", "CPU maker": "another"}
    elsewhere = [json.dumps(json.loads(text) | another) for text in trials.provenance]
    trials = trials.assign(codes_sha256="0" * 64, provenance=elsewhere)
    trials.to_parquet(tables)
    near = run(*options, "--verify", 1)
    assert near.returncode == 0, near.stdout + near.stderr
    assert "codes: OTHERS" in near.stdout
    told = " ".join(near.stdout.split())
    assert "one CPU capability and CPU maker: elsewhere mAP is held to 0.03, and differs by 0.0000" in told
    trials.assign(test_map=trials.test_map + 0.04).to_parquet(tables)
    assert run(*options, "--verify", 1).returncode == 1


def test_a_wider_processor_is_told_how_to_be_as_narrow(monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    assert capability_setting("AVX2") == "ATEN_CPU_CAPABILITY=avx2"
    assert capability_setting("AVX512") == capability_setting("SVE256") == capability_setting("not recorded") == ""
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert capability_setting("AVX512") == ""


def test_a_version_is_what_codes_depend_on():
    known = provenance()
    assert version_of(known | {"commit": "another", "host": "another", "pandas": "0"}) == version_of(known)
    for name in ("code", "torch", "numpy", "CPU capability", "CPU maker", "accelerator", "plug-in own.py"):
        assert version_of(known | {name: "another"}) != version_of(known)
    assert version_of({"commit": "of long ago"}) != version_of(known)


def test_the_maker_of_a_processor_is_read_off_its_name_where_it_was_not_recorded():
    known = {name: value for name, value in provenance().items() if name != "CPU maker"}
    intel, amd, other = (
        version_of(known | {"processor": name})
        for name in ("Intel(R) Xeon(R) Processor", "AMD EPYC", "Another Maker's 3000")
    )
    assert [one["CPU maker"] for one in (intel, amd, other)] == ["Intel", "AMD", "Another Maker's 3000"]
    assert differing(intel, amd) == ["CPU maker"]
    assert version_of(known | {"processor": "AMD Ryzen 9"}) == amd


def test_a_choice_among_kernels_of_mkl_is_another_version(monkeypatch):
    monkeypatch.delenv("MKL_CBWR", raising=False)
    before = _of_this_process.__wrapped__()
    monkeypatch.setenv("MKL_CBWR", "COMPATIBLE")
    chosen = _of_this_process.__wrapped__()
    assert version_of(chosen)["CPU maker"] == f"{before['CPU maker']} (MKL_CBWR=COMPATIBLE)"


def test_a_plugin_that_came_later_makes_no_other_version_and_one_that_changed_does():
    known = version_of(provenance())
    first, edited = known | {"plug-in own.py": "1"}, known | {"plug-in own.py": "2"}
    assert differing(known, first) == differing(first, known) == []
    assert differing(first, edited) == ["plug-in own.py"]
    facts = [known, first, edited, first, known]
    trials = pd.DataFrame({"provenance": [json.dumps(one | {"commit": "c"}) for one in facts]})
    assert [list(one.trials.index) for one in versions(trials)] == [[0, 1, 3, 4], [2]]


def test_a_library_that_was_not_installed_trained_nothing():
    known = provenance()
    before, other = known | {"torchsort": "not installed"}, known | {"torch": "another"}
    assert differing(version_of(before), version_of(known)) == differing(version_of(known), version_of(before)) == []
    assert differing(version_of(before | {"torch": "another"}), version_of(known)) == ["torch"]
    trials = pd.DataFrame({"arm": ["a", "a", "b"], "provenance": [json.dumps(one) for one in (before, known, other)]})
    assert [list(version.trials.index) for version in versions(trials)] == [[0, 1], [2]]
