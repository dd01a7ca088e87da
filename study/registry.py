"""What a study chooses by name: its mode and its figures, imported when they are first asked for."""

from __future__ import annotations

from typing import Any

from nsh_core.registry import Registry

MODES: Registry[Any] = Registry(
    "mode", ("name", "tunes", "figures", "check", "arms", "first_trials", "next_trials", "final_trials")
)
MODES.register("grid", "study.plan.modes.grid:GRID")
MODES.register("tuned", "study.plan.modes.tuned:TUNED")
MODES.register("one_factor", "study.plan.modes.one_factor:ONE_FACTOR")
MODES.register("pareto", "study.plan.modes.pareto:PARETO")

FIGURES: Registry[Any] = Registry("figure", ("caption", "draw"))
for _name in (
    "arms",
    "heatmap",
    "bits",
    "tuning",
    "budget",
    "importance",
    "one_factor",
    "pareto",
    "critical_difference",
    "label_free",
    "curves",
    "pr",
    "health",
    "cost",
    "gallery",
):
    FIGURES.register(_name, f"study.reporting.figures.{_name}:{_name}")
