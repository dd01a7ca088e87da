"""What a study chooses by name: its mode and its figures."""

from __future__ import annotations

from typing import Any

from nsh_core.registry import Registry

MODES: Registry[Any] = Registry(
    "mode", ("name", "tunes", "figures", "check", "arms", "first_trials", "next_trials", "final_trials")
)
FIGURES: Registry[Any] = Registry("figure", ("caption", "draw"))
