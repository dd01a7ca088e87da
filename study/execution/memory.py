"""Peak memory of one trial in a process that runs many."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import torch

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


def reset_peak() -> None:
    """Forgets the peak so far, where the system can (Linux, CUDA)."""
    if _CLEAR.exists():
        _CLEAR.write_text("5")
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def peak_mb() -> tuple[float, float]:
    """Peak memory since reset_peak, or since the process began where the system cannot forget it.

    Returns:
        Peak resident memory and peak CUDA memory, in MiB; 0 without CUDA.
    """
    cuda = torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_available() else 0.0
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024, cuda
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 1024), cuda
