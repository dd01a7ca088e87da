"""What a user can name is text wherever it is shown; nothing is unpickled; passwords stay where they are."""

import ast
import json
import shutil
import zipfile
from pathlib import Path

import optuna
import pandas as pd
import pytest
from optuna_dashboard import get_note

from nsh_core import UserError, load_dataset
from study.analysis.results import read_results
from study.execution.records import Task, TrialFacts
from study.plan.loading import load_spec
from study.reporting.document import write_report
from study.storage.opening import open_storage
from study.storage.optuna_internals import storage_of, study_id
from tests.study.commands import ROOT, as_of_an_earlier_version, outcome, report, run

NASTY = "=[/b]<script>alert(1)</script> & 50%_$x$ $\\nix$ | \\input{x}"

SPEC = f"""\
question: "Is {NASTY.replace(chr(92), chr(92) * 2)}\\n shown as text?"
base: {{code_length: 8, train.epochs: 1}}
factors:
  arm: {{'{NASTY}': {{}}, other: {{sorter.name: argsort}}}}
reference: {{arm: '{NASTY}'}}
seeds: 2
figures: [arms, curves, gallery]
"""


@pytest.fixture(scope="session")
def folder(once) -> Path:
    """A study with nasty names and its results, to be read only."""

    def make(folder: Path) -> None:
        (folder / "nasty.yaml").write_text(SPEC)
        marks = f"echo $NSH_STATUS $NSH_STUDY > {folder / 'finished'}; exit 3"
        result = run("--study", folder / "nasty.yaml", "--results", folder / "r", "--on-finish", marks)
        assert result.returncode == 0, result.stderr
        assert "warning: --on-finish" in result.stderr
        assert "=[/b]<script>" in result.stdout

    return once("nasty", make)


@pytest.fixture
def folder_copy(folder, tmp_path) -> Path:
    """A copy to go on with."""
    return shutil.copytree(folder, tmp_path / "nasty")


@pytest.mark.slow(12)
def test_names_are_escaped_in_html_markdown_latex_and_the_dashboard(folder, tmp_path):
    assert write_report(read_results(folder / "r" / "nasty"), tmp_path).failures == []
    trials = pd.read_csv(folder / "r" / "nasty" / "trials.csv")
    assert trials.arm.unique().tolist() == [f"'{NASTY}", "other"]
    for name in ("report.html", "report.md"):
        text = (tmp_path / name).read_text()
        assert "=[/b]<script" not in text
        assert "=[/b]&lt;script" in text
    table = (tmp_path / "table.tex").read_text()
    assert r"\textbackslash{}input\{x\}" in table
    assert r"\input" not in table.replace(r"\textbackslash{}input", "")
    assert r"50\%\_\$x\$" in table
    assert all(line.startswith(("%", "\\", "continuous")) or "&" in line for line in table.splitlines())
    study = optuna.load_study(study_name="nasty", storage=open_storage(str(folder / "r" / "optuna.journal")))
    assert "<script" not in get_note(study)
    assert not any(
        "<script" in str(value) for value in storage_of(study).get_study_system_attrs(study_id(study)).values()
    )


def test_level_names_are_one_line(tmp_path):
    (tmp_path / "x.yaml").write_text(SPEC.replace("other:", '"two\\nlines":'))
    with pytest.raises(UserError, match="level names of 'arm' must be printable text in one line"):
        load_spec(str(tmp_path / "x.yaml"))


def test_the_command_at_the_end_knows_how_it_went(folder):
    assert (folder / "finished").read_text() == "complete nasty\n"


def test_trials_have_pictures_on_the_dashboard(folder):
    study = optuna.load_study(study_name="nasty", storage=open_storage(str(folder / "r" / "optuna.journal")))
    from optuna_dashboard.artifact._backend import list_trial_artifacts

    attributes = storage_of(study).get_study_system_attrs(study_id(study))
    for trial in study.trials:
        artifacts = list_trial_artifacts(attributes, trial.system_attrs, trial)
        assert sorted(artifact["filename"] for artifact in artifacts) == ["curves.png", "gallery.png"]
        for artifact in artifacts:
            picture = (folder / "r" / "artifacts" / artifact["artifact_id"]).read_bytes()
            assert picture.startswith(b"\x89PNG")
    before = len(list((folder / "r" / "artifacts").iterdir()))
    assert before == 8


@pytest.mark.slow(5)
def test_an_archive_opens_elsewhere(folder_copy, tmp_path):
    folder = folder_copy
    made = run("--study", folder / "nasty.yaml", "--results", folder / "r", "--export", tmp_path / "all.zip")
    assert made.returncode == 0, made.stderr
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        archive.extractall(tmp_path / "there")
    there = tmp_path / "there"
    assert (there / "reports" / "nasty" / "report.html").exists()
    assert "--study DIR/nasty.yaml --seeds 2" in (there / "README.txt").read_text()
    pd.testing.assert_frame_equal(outcome(there / "results" / "nasty"), outcome(folder / "r" / "nasty"))
    again = run("--study", there / "nasty.yaml", "--results", there / "results", "--seeds", 2)
    assert again.returncode == 0, again.stderr
    trials = optuna.load_study(
        study_name="nasty", storage=open_storage(str(there / "results" / "optuna.journal"))
    ).trials
    assert len(trials) == 4
    written = report("--study", "nasty", "--results", there / "results", "--reports", tmp_path / "p")
    assert written.returncode == 0, written.stderr


def test_a_trial_can_be_verified_from_tables_alone_and_another_code_is_found_out(folder_copy):
    folder = folder_copy
    options = ("--study", folder / "nasty.yaml", "--results", folder / "r", "--verify")
    (folder / "r" / "optuna.journal").unlink()
    same = run(*options, 1)
    assert same.returncode == 0, same.stderr
    assert "codes: the same, bit for bit" in same.stdout
    unknown = run(*options, 4)
    assert unknown.returncode == 2
    assert "has final trials 0 to 3, got 4" in unknown.stderr
    tables = folder / "r" / "nasty" / "trials.parquet"
    as_of_an_earlier_version(tables.parent)
    trials = pd.read_parquet(tables)
    trials.assign(codes_sha256="0" * 64).to_parquet(tables)
    other = run(*options, 1)
    assert other.returncode == 1
    assert "codes: OTHERS" in other.stdout
    assert not (folder / "r" / "optuna.journal").exists()


def test_every_trial_knows_where_it_came_from(folder):
    trials = pd.read_parquet(folder / "r" / "nasty" / "trials.parquet")
    recorded = [json.loads(text) for text in trials.provenance]
    assert all(len(one["commit"]) > 5 and len(one["code"]) == 12 and one["CPU capability"] for one in recorded)
    assert trials.codes_sha256.nunique() == 4
    study = optuna.load_study(study_name="nasty", storage=open_storage(str(folder / "r" / "optuna.journal")))
    task, facts = Task.of(study.trials[0]), TrialFacts.of(study.trials[0])
    assert (task.config.seed, task.config.code_length, task.fingerprint) == (0, 8, load_dataset("digits").fingerprint())
    assert {"commit", "torch", "optuna", "host", "processor"} <= set(facts.provenance)


def test_nothing_is_unpickled():
    """No module loads pickles, unsafe YAML or arrays of objects."""
    for path in [*(ROOT / "nsh_core").rglob("*.py"), *(ROOT / "study").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
                assert not {"pickle", "dill", "joblib", "shelve"} & {name.partition(".")[0] for name in names}, path
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("yaml.load", "yaml.unsafe_load", "eval", "exec"), path
                safe = {"np.load": ("allow_pickle", False), "torch.load": ("weights_only", True)}
                if called in safe:
                    name, value = safe[called]
                    assert [word.value.value for word in node.keywords if word.arg == name] == [value], path
