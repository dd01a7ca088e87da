"""Who is believed dead, and who only silent."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from study.execution import ownership
from study.execution.ownership import is_of_own_run, own_run, owner_is_dead, shown, this_process
from tests.study.commands import ROOT

SAY_WHO = "import sys; from study.execution import ownership; print(ownership.this_process(), flush=True);"
SAY_WHETHER = "print(ownership.owner_is_dead(sys.argv[1]), flush=True); sys.stdin.read()"


@pytest.fixture
def neighbour() -> Iterator[subprocess.Popen]:
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


def name(pid: int, **changes: str) -> str:
    """Of a process here."""
    host, _, _, place, _ = this_process().rsplit(":", 4)
    known = {"host": host, "pid": str(pid), "start": ownership._start(pid), "place": place, "run": "another"}
    return ":".join((known | changes).values())


def test_an_owner_that_is_over_is_dead(neighbour):
    owner = name(neighbour.pid)
    assert not owner_is_dead(owner)
    assert owner_is_dead(name(neighbour.pid, start="1"))
    os.kill(neighbour.pid, signal.SIGKILL)
    os.waitid(os.P_PID, neighbour.pid, os.WEXITED | os.WNOWAIT)
    assert owner_is_dead(owner)  # a zombie
    neighbour.wait()
    assert owner_is_dead(owner)


@pytest.mark.parametrize("change", [{"host": "elsewhere"}, {"place": "boot-1"}, {"place": ""}])
def test_a_process_id_of_another_place_says_nothing(neighbour, change):
    owner = name(neighbour.pid, start="1", **change)
    assert not owner_is_dead(owner)
    neighbour.kill()
    neighbour.wait()
    assert not owner_is_dead(owner)


def test_owners_of_earlier_versions_are_read_and_not_believed():
    owner = f"{socket.gethostname()}:{os.getpid()}:abcdef01-12"
    assert not owner_is_dead(owner)
    assert not is_of_own_run(owner)
    assert shown(owner) == f"process {os.getpid()} on {socket.gethostname()}"


def test_where_the_system_tells_no_place_only_processes_of_the_own_run_are_known(neighbour, monkeypatch, tmp_path):
    monkeypatch.setattr(ownership, "_PROC", tmp_path)
    me = this_process(own_run())
    host, pid, start, place, run = me.split(":")
    assert (host, pid, start, place, run) == (socket.gethostname(), str(os.getpid()), "", "", own_run())
    worker, stranger = (f"{host}:{neighbour.pid}:::{run}" for run in (own_run(), "another"))
    assert is_of_own_run(worker)
    assert not owner_is_dead(worker)
    assert not is_of_own_run(stranger)
    neighbour.kill()
    neighbour.wait()
    assert owner_is_dead(worker)
    assert not owner_is_dead(stranger)


def test_a_process_that_the_system_hides_is_not_dead(monkeypatch, neighbour):
    """As /proc mounted with hidepid does."""
    owner = name(neighbour.pid)
    monkeypatch.setattr(ownership, "_start", lambda pid: (_ for _ in ()).throw(FileNotFoundError()))
    assert not owner_is_dead(owner)


def test_processes_in_other_namespaces_of_process_ids_do_not_take_each_other_for_dead():
    """As two containers with one host name: what is process 2 here is another there."""
    apart = ["unshare", "--map-root-user", "--pid", "--fork", "--mount-proc"]
    try:
        subprocess.run([*apart, "true"], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no namespaces of process ids here: {getattr(error, 'stderr', error)}")
    program = [sys.executable, "-c", SAY_WHO + SAY_WHETHER, this_process()]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
    with subprocess.Popen([*apart, *program], **pipes) as there:
        assert there.stdout is not None
        owner, dead = there.stdout.readline().strip(), there.stdout.readline().strip()
        assert owner.split(":")[0] == socket.gethostname()
        assert dead == "False"
        assert not owner_is_dead(owner)
        there.stdin.close()
