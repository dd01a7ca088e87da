"""Many runs: hyperparameter studies and ablations of nsh_core."""

from __future__ import annotations

from typing import Any

from nsh_core.errors import UserError

__all__ = ["StoredStudy", "Study", "UserError"]


def __getattr__(name: str) -> Any:
    """The classes, which need all rooms, for whoever asks; workers and commands import the modules that they need."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from study.interface import StoredStudy, Study

    return {"StoredStudy": StoredStudy, "Study": Study}[name]
