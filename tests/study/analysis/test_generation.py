"""Tables, pictures and facts of a study are read as they were written together, or not at all."""

import json
import multiprocessing
from pathlib import Path

import pytest

from nsh_core import UserError
from nsh_core.files import write_atomically
from study.analysis import generation
from study.analysis.generation import Generation, reading, strangers, writing
from study.analysis.results import Results, earlier, read_results
from study.analysis.tables import write_tables
from study.analysis.verdict import decide
from tests.study.reporting.test_document import synthetic


def write(results: Results, folder: Path) -> None:
    with writing(folder) as files:
        write_tables(results.tables, files)
        results.facts.model_copy(update={"digests": files.digests}).write(folder)


def test_tables_of_two_moments_are_refused(tmp_path, monkeypatch):
    before, after = synthetic({"softsort": 0.7, "argsort": 0.6}), synthetic({"softsort": 0.5, "argsort": 0.6})
    write(before, tmp_path)
    assert not earlier(tmp_path, before.spec).empty
    written = []

    def killed(path: Path, content: bytes | str) -> None:
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(path.name)
        write_atomically(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(generation, "write_atomically", killed)
        with pytest.raises(KeyboardInterrupt):
            write(after, tmp_path)
    with pytest.raises(UserError, match=r"as after a kill \(trials\.parquet, .*: run the same command again: "):
        read_results(tmp_path)
    assert earlier(tmp_path, before.spec).empty
    write(after, tmp_path)
    assert read_results(tmp_path).tables.trials.equals(after.tables.trials)


def test_a_table_that_is_gone_is_missed_unless_git_keeps_none_of_its_kind(tmp_path):
    write(synthetic({"softsort": 0.7, "argsort": 0.6}), tmp_path)
    (tmp_path / "trials.csv").unlink()
    read_results(tmp_path)
    (tmp_path / "curves.parquet").unlink()
    with pytest.raises(UserError, match=r"\(curves\.parquet not as run\.json has it\)"):
        read_results(tmp_path)


def test_results_without_ap_of_every_query_say_that_intervals_are_over_seeds_alone(tmp_path):
    write(synthetic({"softsort": 0.7, "argsort": 0.6}), tmp_path)
    (tmp_path / "per_query.parquet").unlink()
    results = read_results(tmp_path)
    assert not results.by_query
    digest = results.facts.digests["per_query.parquet"][:16]
    (caution,) = (one for one in decide(results).cautions if "single queries" in one)
    assert f"(per_query.parquet, SHA-256 {digest})" in caution
    assert "over seeds alone" in caution


def test_results_of_earlier_versions_are_taken_as_they_are(tmp_path):
    results = synthetic({"softsort": 0.7, "argsort": 0.6})
    write_tables(results.tables, Generation(tmp_path))
    results.facts.write(tmp_path)
    read_results(tmp_path)


def many(folder: Path, name: str) -> None:
    for number in range(5):
        with writing(folder) as files:
            for file in "abc":
                files.write(file, f"{name}{number}")
            write_atomically(folder / "run.json", json.dumps(files.digests))


def test_four_processes_that_write_at_once_leave_one_generation(tmp_path):
    many(tmp_path, "first")
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=many, args=(tmp_path, name)) for name in "wxyz"]
    for writer in writers:
        writer.start()
    running = True
    while running:
        running = any(writer.is_alive() for writer in writers)
        with reading(tmp_path):
            assert strangers(tmp_path, json.loads((tmp_path / "run.json").read_text())) == []
            assert len({(tmp_path / file).read_text() for file in "abc"}) == 1
    assert [writer.exitcode for writer in writers] == [0] * 4


def test_a_holder_that_hangs_and_a_disk_without_locks_hold_up_nobody(tmp_path, monkeypatch):
    monkeypatch.setattr(generation, "_PATIENCE_SECONDS", 0)
    with writing(tmp_path), writing(tmp_path) as files:
        files.write("a", "a")

    def no_locks(*_: object) -> None:
        raise OSError("no locks available")

    monkeypatch.setattr(generation.fcntl, "flock", no_locks)
    with writing(tmp_path) as files, reading(tmp_path):
        files.write("a", "b")
    assert (tmp_path / "a").read_text() == "b"
