import sqlite3

import optuna
import pytest

from nsh_core import UserError
from study.storage import opening as storage
from study.storage.opening import open_storage, shown


def test_a_locked_database_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(storage._CONNECT, "sqlite", {"timeout": 0.1})
    connection = sqlite3.connect(tmp_path / "locked.db", isolation_level=None)
    connection.execute("CREATE TABLE t (x)")
    connection.execute("BEGIN EXCLUSIVE")
    with pytest.raises(UserError, match=r"locked\.db is locked, unreachable or unusable: database is locked"):
        open_storage(f"sqlite:///{tmp_path / 'locked.db'}")
    connection.close()


def test_storage_persists(tmp_path):
    for url in (str(tmp_path / "new" / "a.journal"), f"sqlite:///{tmp_path / 'a.db'}"):
        optuna.create_study(study_name="s", storage=open_storage(url)).enqueue_trial({"x": 1})
        assert len(optuna.load_study(study_name="s", storage=open_storage(url)).trials) == 1


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("results/optuna.journal", "results/optuna.journal"),
        ("postgresql://bob:hunter2@h:5/d", "postgresql://bob:***@h:5/d"),
        ("nonsense://bob:hunter2@h:port/d", "nonsense://..."),
    ],
)
def test_passwords_are_not_shown(url, expected):
    assert shown(url) == expected
