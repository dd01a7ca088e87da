import socket
from pathlib import Path

import pytest

from tests.study.commands import SPEC, run


@pytest.fixture
def spec_file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(SPEC)
    return path


@pytest.fixture
def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny study run once with one job: its results folder."""
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "tiny.yaml").write_text(SPEC)
    result = run("--study", folder / "tiny.yaml", "--results", folder / "results")
    assert result.returncode == 0, result.stderr
    return folder / "results"
