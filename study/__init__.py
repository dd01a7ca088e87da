"""Many runs: hyperparameter studies and ablations of nsh_core."""

from __future__ import annotations

from typing import Any

from nsh_core.errors import UserError

__all__ = ["StoredStudy", "Study", "UserError", "side_by_side"]


def __getattr__(name: str) -> Any:
    """The interface, which needs all rooms, for whoever asks; workers and commands import modules that they need."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from study.interface import StoredStudy, Study
    from study.stored import side_by_side

    return {"StoredStudy": StoredStudy, "Study": Study, "side_by_side": side_by_side}[name]
