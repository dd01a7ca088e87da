"""Which changes of a checkout a trial's commit tells of."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from study.execution import provenance


@pytest.fixture
def checkout(tmp_path, monkeypatch) -> Path:
    def git(*arguments: str) -> None:
        subprocess.run(["git", "-c", "user.name=n", "-c", "user.email=e", *arguments], cwd=tmp_path, check=True)

    for name in ("study/execution/provenance.py", "results/reference/a/trials.csv"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("1", encoding="utf-8")
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "one")
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "study/execution/provenance.py"))
    return tmp_path


def test_results_reports_and_files_of_a_user_are_no_change_of_the_code(checkout):
    clean = provenance.commit()
    (checkout / "results/reference/a/trials.csv").write_text("2", encoding="utf-8")
    (checkout / "reports/b").mkdir(parents=True)
    (checkout / "reports/b/report.md").write_text("3", encoding="utf-8")
    (checkout / "from_python").mkdir()
    for name in ("from_python/run.json", "own.py", "items.npy"):
        (checkout / name).write_text("4", encoding="utf-8")
    assert provenance.commit() == clean
    assert len(clean) == 12


@pytest.mark.parametrize("name", ["study/execution/provenance.py", "study/new.py"])
def test_code_that_changed_or_is_new_is_told(checkout, name):
    clean = provenance.commit()
    (checkout / name).write_text("2", encoding="utf-8")
    changed = provenance.commit()
    assert changed.startswith(f"{clean} (with local changes ")
    (checkout / name).write_text("3", encoding="utf-8")
    assert provenance.commit() != changed
