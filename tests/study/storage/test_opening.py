import os
import sqlite3
import uuid
from pathlib import Path

import optuna
import pytest

from nsh_core import UserError
from study.storage import opening as storage
from study.storage.opening import open_storage
from study.storage.place import secrets_hidden, shown, without_secrets
from tests.study.commands import run


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


MISTYPED = [
    "postgres//bob:hunter2@h/d", "postgresql:/bob:hunter2@h", "postgresql:bob:hunter2@h/d", "bob:hunter2@h/d",
    "//bob:hunter2@h/d", "./bob:hunter2@h", "postgres//h/d?user=bob&password=hunter2", "h:5432", "d?password=hunter2",
    "postgresql://bob:hunter2@h:port/d", "postgresql://bob:x@hunter2@h/d", "postgresql://bob/x:hunter2@h/d",
    "postgresql://bob:x@1:hunter2@h/d", "postgres://bob:hunter2@h/d", "://bob:hunter2@h/d", "grpc://bob:hunter2@h:1",
    "grpc://h:1/d?password=hunter2", "grpc://h",
]  # fmt: skip


@pytest.mark.parametrize("url", MISTYPED)
def test_what_looks_like_a_url_and_is_none_is_refused_and_hidden(url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"^storage .*grpc://HOST:PORT") as caught:
        open_storage(url)
    assert not any(secret in str(caught.value) for secret in ("hunter2", "bob"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["a@b/c.journal", "./12:30.journal", "x//a.journal", "a=b.journal"])
def test_a_path_may_hold_signs_of_a_url(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    optuna.create_study(study_name="s", storage=open_storage(path))
    assert (tmp_path / path).exists()
    assert shown(path) == path


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("results/optuna.journal", "results/optuna.journal"),
        ("sqlite:///a/b@c.db", "sqlite:///a/b@c.db"),
        ("postgresql://bob:hunter2@h:5/d", "postgresql://h:5/d"),
        ("postgresql+psycopg://h/d?user=bob&password=hunter2", "postgresql+psycopg://h/d"),
        ("postgresql://bob:x@hunter2@h/d", "postgresql://..."),
        ("nonsense://bob:hunter2@h:port/d", "nonsense://..."),
        ("postgres//bob:hunter2@h/d", "postgres..."),
        ("bob:hunter2@h/d", "..."),
    ],
)
def test_users_and_passwords_are_not_shown(url, expected):
    assert shown(url) == expected
    typed = ["--study", "x", f"--storage={url}", "--storage", url, "--set", "a=b"]
    assert without_secrets(typed) == [
        "--study", "x", f"--storage={expected}", "--storage", expected, "--set", "a=b"
    ]  # fmt: skip


def test_what_a_driver_says_has_no_secrets():
    for url in ("postgresql://bob:hunter2@/d?host=/run", "postgresql:///d?host=/run&passwrod=hunter2"):
        assert secrets_hidden("no option hunter2 of /run", url) == "no option *** of /run"
    url = "postgresql://user:hunter2@h/d"
    assert secrets_hidden('no password for user "user"', url) == 'no password for user "***"'


def test_a_wrong_password_is_refused_at_once_and_hidden(postgres, postgres_url, spec_file, tmp_path):
    """By a server that asks for it: that of these tests trusts all others."""
    role = f"checked_{uuid.uuid4().hex[:8]}"
    rules = Path(postgres.psql("SHOW hba_file;").splitlines()[2].strip())
    rules.write_text(f"local all {role} scram-sha-256\nhost all {role} all scram-sha-256\n{rules.read_text()}")
    postgres.psql(f"CREATE ROLE {role} LOGIN SUPERUSER PASSWORD 'right-one'; SELECT pg_reload_conf();")

    def with_password(password: str) -> str:
        return postgres_url.replace("postgresql://postgres:@", f"postgresql://{role}:{password}@")

    optuna.create_study(study_name="s", storage=open_storage(with_password("right-one")))
    result = run("--study", spec_file, "--results", tmp_path / "r", "--storage", with_password("hunter2"))
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "password authentication failed" in result.stderr
    assert "unusable" in result.stderr
    written = [path.read_text() for path in (tmp_path / "r").rglob("*") if path.is_file()]
    for secret in ("hunter2", role):
        assert not any(secret in text for text in [result.stdout, result.stderr, *written])


def test_processes_that_make_the_tables_of_a_database_at_once_all_get_it(tmp_path):
    for start in range(3):
        waiting, starting = os.pipe()
        makers = []
        for _ in range(4):
            process = os.fork()
            if process == 0:
                os.close(starting)
                os.read(waiting, 1)
                try:
                    open_storage(f"sqlite:///{tmp_path}/{start}.db")
                    os._exit(0)
                finally:
                    os._exit(1)
            makers.append(process)
        os.close(waiting)
        os.close(starting)
        assert [os.waitpid(maker, 0)[1] for maker in makers] == [0] * 4
