"""The parts of the reference: scripts/reference.py."""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
import tarfile
from pathlib import Path

import pandas as pd
import pytest

from study.plan.loading import available

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def reference():
    spec = importlib.util.spec_from_file_location("reference", ROOT / "scripts/reference.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["reference"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["reference"]


@pytest.fixture
def elsewhere(reference, monkeypatch, tmp_path):
    """Results and reports in a scratch folder, and commands that are written down and not run."""
    commands = []
    results = tmp_path / "results/reference"
    results.mkdir(parents=True)
    for name, value in (
        ("ROOT", tmp_path),
        ("RESULTS", results),
        ("REPORTS", tmp_path / "reports/reference"),
        ("_IGNORED", results / ".gitignore"),
        ("_WALL", results / "wall.csv"),
        ("_clean", lambda: None),
        ("_command", lambda script, options, fine: commands.append([script, *options])),
    ):
        monkeypatch.setattr(reference, name, value)
    return commands, results


def test_every_shipped_study_is_a_part_and_every_committed_folder_is_one_of_a_part(reference):
    parts = reference.Reference.read()
    assert {part.study for part in parts.parts.values()} == {spec.name for spec in available()}
    keys = [parts.key(part) for part in parts.parts.values()]
    assert len(set(keys)) == len(keys)
    committed = {path.parent.name for path in (ROOT / "results/reference").glob("*/run.json")}
    assert committed <= set(keys)


def test_a_part_runs_is_reported_on_and_what_it_took_is_kept(reference, elsewhere, monkeypatch):
    commands, results = elsewhere
    assert reference.main(["digits-sorters-tuned", "--jobs", "1"]) == 0
    named = ["--study", "sorter_ablation", "--mode", "tuned"]
    assert commands == [
        ["study/run.py", *named, "--trials", "10", "--tune-each-seed", "--jobs", "1"],
        ["study/report.py", *named, "--reports", "reports/reference"],
    ]
    assert reference.main(["digits-bits"]) == 0
    heads, *rows = (line.split(",") for line in (results / "wall.csv").read_text(encoding="utf-8").splitlines())
    assert [dict(zip(heads, row, strict=True))["key"] for row in rows] == ["sorter_ablation-tuned", "code_length"]


def test_what_a_part_took_that_was_stopped_is_kept_too(reference, elsewhere, monkeypatch):
    def stopped(*_: object) -> None:
        raise reference.UserError("study/run.py ended with 130")

    monkeypatch.setattr(reference, "_command", stopped)
    assert reference.main(["digits-bits"]) == 2
    _, row = (elsewhere[1] / "wall.csv").read_text(encoding="utf-8").splitlines()
    assert row.startswith("digits-bits,code_length,")


def test_parts_without_their_data_are_left_out_with_a_line(reference, elsewhere, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("NSH_DATA", str(tmp_path))
    assert reference.main(["cifar10-bits"]) == 0
    assert "left out: cifar10-bits, no cifar10_mobilenetv2.npz in $NSH_DATA" in capsys.readouterr().err
    assert elsewhere[0] == []


def test_an_unknown_part_is_told_with_those_there_are(reference, capsys):
    assert reference.main(["digits-bit"]) == 2
    assert "no part 'digits-bit': choose from digits-sorters, " in capsys.readouterr().err


def test_an_archive_of_another_kind_is_refused(reference, elsewhere, tmp_path, capsys):
    (tmp_path / "README.md").write_text("mine", encoding="utf-8")
    assert reference.main(["--archive", str(tmp_path / "README.md")]) == 2
    assert "--archive writes a .tar: the name must end so, got " in capsys.readouterr().err
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == "mine"


def test_large_tables_stay_out_of_git_and_go_into_one_archive(reference, elsewhere, monkeypatch, tmp_path, capsys):
    _, results = elsewhere
    for name, size in (("a", 10), ("b", 30)):
        (results / name).mkdir()
        (results / name / "per_query.parquet").write_bytes(b"x" * size)
    monkeypatch.setattr(reference, "LARGEST_IN_GIT", 20)
    assert reference.main(["--reports", "digits-bits"]) == 0
    assert "/b/per_query.parquet" in (results / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert reference.main(["--archive", str(tmp_path / "one.tar")]) == 0
    digest = capsys.readouterr().out.splitlines()[-1]
    assert digest == hashlib.sha256((tmp_path / "one.tar").read_bytes()).hexdigest()
    assert digest in (results / "per_query.sha256").read_text(encoding="utf-8")
    with tarfile.open(tmp_path / "one.tar") as tar:
        assert tar.getnames() == ["results/reference/b/per_query.parquet"]
    (results / "b/per_query.parquet").touch()
    assert reference.archive(tmp_path / "two.tar") == digest


def test_a_sample_of_trials_is_drawn_part_after_part_and_trained_again(reference, monkeypatch, capsys):
    asked = []

    def answer(script, options, fine, stdout):
        asked.append(options)
        same = len(asked) % 3
        text = f"codes: {'the same, bit for bit' if same else 'OTHERS'}"
        return subprocess.CompletedProcess([], 0 if same or len(asked) > 3 else 1, text)

    monkeypatch.setattr(reference, "_command", answer)
    assert reference.main(["--verify", "5", "digits-bits", "digits-sorters-tuned"]) == 1
    assert "4 of 5 hold, 4 of them bit for bit" in capsys.readouterr().out
    assert [options[1] for options in asked] == ["code_length", "sorter_ablation"] * 2 + ["code_length"]
    for options in asked:
        key = reference.study_key(reference.load_spec(options[1]), "digits", ()) + "-tuned" * ("tuned" in options)
        trials = pd.read_parquet(ROOT / "results/reference" / key / "trials.parquet")
        number = options[-1].removeprefix("tuning:")
        phase = "final" if number == options[-1] else "tuning"
        assert list(trials[(trials.phase == phase) & (trials.trial == int(number))].state) == ["complete"]
    first = list(asked)
    asked.clear()
    assert reference.main(["--verify", "2", "digits-bits", "digits-sorters-tuned"]) == 0
    assert asked == first[:2]


def test_what_cannot_be_verified_is_told(reference, elsewhere, capsys):
    assert reference.main(["--verify", "0", "digits-bits"]) == 2
    assert "at least 1, got 0" in capsys.readouterr().err
    assert reference.main(["--verify", "3", "digits-bits"]) == 2
    assert "digits-bits has not run: there is no " in capsys.readouterr().err
    assert elsewhere[0] == []


def test_the_list_has_every_part(reference, capsys):
    assert reference.main(["--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2 + len(reference.Reference.read().parts)
