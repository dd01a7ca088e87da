"""Journals and records that changed after they were written: noticed, named, set aside, and nothing else lost."""

import random
import re
import sqlite3
import warnings
from pathlib import Path

import optuna
import pandas as pd
import pytest
from optuna.storages.journal import JournalFileBackend

from nsh_core import UserError, load_dataset
from study.analysis.tables import build_tables
from study.analysis.whole import check
from study.execution.queue import TrialQueue
from study.plan.loading import load_spec
from study.plan.planning import make_plan
from study.storage.opening import open_storage, storage_errors
from study.storage.repair import damage, repair
from tests.study.commands import COST, run


@pytest.fixture(scope="module")
def fingerprint() -> str:
    return load_dataset("digits").fingerprint()


@pytest.fixture
def journal(undisturbed_copy) -> Path:
    return undisturbed_copy / "optuna.journal"


@pytest.fixture
def read(spec_file, fingerprint):
    """The trials table of a storage."""

    def read_(url: object) -> pd.DataFrame:
        with storage_errors(str(url)):
            queue = TrialQueue(
                open_storage(str(url)), make_plan(load_spec(str(spec_file)), None, (), None), fingerprint
            )
            return build_tables(queue).trials.drop(columns=COST)

    return read_


def test_no_changed_bit_passes_unnoticed_and_no_other_trial_is_lost(journal, read):
    before, whole, rng = journal.read_bytes(), read(journal), random.Random(0)
    right = apart = 0
    for _ in range(24):
        place, bit = rng.randrange(len(before)), rng.randrange(8)
        changed = bytearray(before)
        changed[place] ^= 1 << bit
        journal.write_bytes(changed)
        if damage(journal):
            with pytest.raises(
                UserError, match=r"line \d+ .*--check lists all damage, --repair sets it aside|no Optuna"
            ):
                read(journal)
            repair(journal)
        after = read(journal)
        same = (after.astype(object).fillna("") == whole.astype(object).fillna("")).all(axis=1)
        right, apart = right + int(same.all()), apart + int((~same).sum() == 1)
        assert (~same).sum() <= 1
        assert not (after[~same].state == "complete").any()
    assert right + apart == 24
    assert right
    assert apart


@pytest.mark.parametrize("rest", [b"\0" * 300, b"\xff\xfe{}", b"[1, 2]", b'{"op_code":77,"worker_id":"x"}', b"{}"])
@pytest.mark.parametrize("kind", ["create_study", "create_trial", "end"])
def test_whatever_a_line_became_the_others_keep_their_meaning(journal, read, kind, rest):
    whole = read(journal)
    lines = journal.read_bytes().splitlines()
    code = {"create_study": b'{"op_code":0', "create_trial": b'{"op_code":4', "end": b'{"op_code":6'}[kind]
    places = [number for number, line in enumerate(lines) if line.startswith(code)]
    place = places[0 if kind == "create_study" else -1]
    journal.write_bytes(b"\n".join([*lines[:place], rest, *lines[place + 1 :]]) + b"\n")
    assert [one.line for one in damage(journal)] == [place + 1]
    done = repair(journal)
    assert done[0] == f"line {place + 1}: set aside"
    assert journal.with_name("optuna.journal.damaged").read_bytes().startswith(rest)
    assert not damage(journal)
    after = read(journal)
    last = {"create_study": "complete", "create_trial": "missing", "end": "running"}[kind]
    assert list(after.state) == ["complete"] * 3 + [last]
    pd.testing.assert_frame_equal(after[:3], whole[:3], check_dtype=False)
    sound, told = check(journal.parent, str(journal))
    lost = "complete trials there that the storage has not: 1" in told[-1]
    assert (sound, lost) == ((True, False) if kind == "create_study" else (False, True))


def test_trials_are_kept_where_the_name_of_their_study_is_lost(journal):
    lines = journal.read_bytes().splitlines(keepends=True)
    named = [line for line in lines if b'"study_name"' in line]
    assert lines[0] == named[0]
    journal.write_bytes(b"\0\n" + b"".join(line for line in lines if line not in named))
    repair(journal)
    [study] = optuna.get_all_study_summaries(open_storage(str(journal)))
    assert study.study_name.startswith("damaged line of")
    assert study.n_trials == 4


def test_the_command_checks_and_repairs(journal, spec_file, read):
    whole = read(journal)
    options = ("--results", journal.parent)
    assert run("--check", *options).returncode == 0
    lines = journal.read_bytes().splitlines(keepends=True)
    [*_, place] = [number for number, line in enumerate(lines) if b'"codes_sha256' in line]
    lines[place] = lines[place].replace(b"codes_sha256", b"codes_sha_56")
    journal.write_bytes(b"".join(lines))
    checked = run("--check", *options)
    assert checked.returncode == 1
    assert f"line {place + 1} is not what its checksum is of" in checked.stdout
    assert "tables" in checked.stdout
    refused = run("--study", spec_file, *options)
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    repaired = run("--repair", *options)
    assert f"line {place + 1}: set aside" in repaired.stdout
    again = run("--study", spec_file, *options)
    assert again.returncode == 0, again.stderr
    pd.testing.assert_frame_equal(read(journal), whole)


def test_a_record_that_changed_in_a_database_is_no_result_and_is_trained_again(spec_file, tmp_path, read):
    url = f"sqlite:///{tmp_path / 'a.db'}"
    options = ("--study", spec_file, "--results", tmp_path / "r", "--storage", url)
    assert run(*options).returncode == 0
    whole = read(url)
    with sqlite3.connect(tmp_path / "a.db") as database:
        row, value = database.execute(
            "SELECT trial_user_attribute_id, value_json FROM trial_user_attributes "
            "JOIN trials USING (trial_id) WHERE key = 'test_map' AND number = 2"
        ).fetchone()
        database.execute(
            "UPDATE trial_user_attributes SET value_json = ? WHERE trial_user_attribute_id = ?",
            (f"{float(value) + 0.01}", row),
        )
    after = read(url)
    assert list(after.state).count("failed") == 1
    assert after.failure[2].startswith("damaged: its record is not what was written")
    checked = run("--check", "--results", tmp_path / "r", "--storage", url)
    assert checked.returncode == 1
    assert "damaged are 2: its command trains them again" in checked.stdout
    assert run(*options).returncode == 0
    pd.testing.assert_frame_equal(read(url), whole)


def test_optuna_reads_our_journal_and_we_read_its_own(journal, read):
    whole = read(journal)
    with warnings.catch_warnings(action="ignore"):
        plain = optuna.storages.JournalStorage(JournalFileBackend(str(journal)))
    assert len(optuna.load_study(study_name="tiny", storage=plain).trials) == 4
    without = re.sub(r',"check":"[0-9a-f]{8}"\}$', "}", journal.read_text(), flags=re.MULTILINE)
    assert '"check"' not in without
    journal.write_text(without)
    pd.testing.assert_frame_equal(read(journal), whole)
