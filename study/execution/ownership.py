"""Which process is which, and whether it is still there."""

from __future__ import annotations

import socket
from pathlib import Path

import psutil


def this_process() -> str:
    """Host, process id and start of this process: never the same twice.

    Returns:
        HOST:PID:START.
    """
    pid = psutil.Process().pid
    return f"{socket.gethostname()}:{pid}:{_start(pid)}"


def owner_is_here(owner: str | None) -> bool:
    """Whether an owner is a process of this host.

    Args:
        owner: As this_process names it; none for nobody.
    """
    return owner is not None and owner.rsplit(":", 2)[0] == socket.gethostname()


def owner_is_dead(owner: str) -> bool:
    """Whether an owner is a process of this host that is over. Of other hosts only silence tells (see the queue).

    Args:
        owner: As this_process names it.
    """
    if not owner_is_here(owner):
        return False
    _, pid, start = owner.rsplit(":", 2)
    try:
        return _start(int(pid)) != start or psutil.Process(int(pid)).status() == psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, OSError):
        return True


def _start(pid: int) -> str:
    """When a process started: the boot and the ticks since where the system tells, which no change of a clock moves."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    if boot.exists():
        ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
        return f"{boot.read_text()[:8]}-{ticks}"
    return f"{psutil.Process(pid).create_time():.2f}"
