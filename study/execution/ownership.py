"""Which process is which, and whether it is still there."""

from __future__ import annotations

import os
import socket
import uuid
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True)
class _Owner:
    """A process: HOST:PID:START:PLACE:RUN.

    A process id says something only at its place: the boot of a machine and a namespace of process ids, as each
    container has its own. Containers and machines can share a host name, and machines of one image a boot.
    """

    host: str
    pid: int
    start: str
    place: str
    run: str

    @classmethod
    def of(cls, name: str) -> _Owner | None:
        """As this_process named it; none for a name of an earlier version, which knew no place."""
        parts = name.rsplit(":", 4)
        return cls(parts[0], int(parts[1]), *parts[2:]) if len(parts) == 5 else None

    @property
    def is_here(self) -> bool:
        """Whether its process id is one that this process can look at."""
        return (self.place != "" and (self.host, self.place) == (socket.gethostname(), _place())) or (
            self.run == own_run()
        )


def this_process(run: str | None = None) -> str:
    """Host, process id, start, place and run of this process: never the same twice.

    Args:
        run: The run that it works for, as own_run of that process; none: its own.

    Returns:
        HOST:PID:START:PLACE:RUN; start and place are empty where the system does not tell.
    """
    pid, place = os.getpid(), _place()
    start = _start(pid) if place else ""
    return f"{socket.gethostname()}:{pid}:{start}:{place}:{run or own_run()}"


def own_run() -> str:
    """A random name of the run that this process leads."""
    return _random(os.getpid())


@cache
def _random(pid: int) -> str:
    """Forks inherit what is kept here: a name for each process id."""
    return uuid.uuid4().hex[:12]


def is_of_own_run(owner: str) -> bool:
    """Whether an owner works for the run that this process leads.

    Args:
        owner: As this_process names it.
    """
    known = _Owner.of(owner)
    return known is not None and known.run == own_run()


def shown(owner: str) -> str:
    """An owner in words.

    Args:
        owner: As this_process names it, now or in an earlier version.
    """
    host, pid = owner.split(":")[:2]
    return f"process {pid} on {host}"


def owner_is_dead(owner: str) -> bool:
    """Whether an owner is over, as far as its process id tells; of others only silence does (see the queue).

    Args:
        owner: As this_process names it, now or in an earlier version.
    """
    known = _Owner.of(owner)
    if known is None or not known.is_here:
        return False
    try:
        os.kill(known.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # it is somebody else's
    try:
        return known.place != "" and _start(known.pid) != known.start
    except OSError:
        # It ended just now, which the next look tells, or the system hides processes of others.
        return False


def _place() -> str:
    """The boot and the namespace of process ids; empty where the system does not tell."""
    try:
        # Without a /proc of its own, a namespace sees that of another, where its process ids mean others.
        if (_PROC / "self").readlink().name != str(os.getpid()):
            return ""
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}-{(_PROC / 'self/ns/pid').stat().st_ino}"
    except OSError:
        return ""


def _start(pid: int) -> str:
    """When a process started, in ticks since the boot, which no change of a clock moves; "over" once it has ended."""
    fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return "over" if fields[0] in "ZX" else fields[19]
