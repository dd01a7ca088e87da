"""What a study chooses by name: mode, sampler, figures, trackers, imported when first asked for; and its own names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nsh_core.registry import MEASURES, Registry

MODES: Registry[Any] = Registry(
    "mode", ("name", "tunes", "figures", "check", "arms", "first_trials", "next_trials", "final_trials")
)
MODES.register("grid", "study.plan.modes.grid:GRID")
MODES.register("tuned", "study.plan.modes.tuned:TUNED")
MODES.register("one_factor", "study.plan.modes.one_factor:ONE_FACTOR")
MODES.register("pareto", "study.plan.modes.pareto:PARETO")

SAMPLERS: Registry[Any] = Registry("sampler")
SAMPLERS.register("tpe", "study.plan.samplers:TPE")
SAMPLERS.register("gp", "study.plan.samplers:GP")
SAMPLERS.register("halton", "study.plan.samplers:HALTON")
SAMPLERS.register("cmaes", "optuna.samplers:CmaEsSampler")
SAMPLERS.register("random", "study.plan.samplers:RANDOM")

# Functions of a try's measures, a mapping of names to values: of plug-ins alone, as every measure is one by its name.
OBJECTIVES: Registry[Callable[[Mapping[str, float]], float]] = Registry("objective")

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

TRACKERS: Registry[Any] = Registry("tracker", ("package", "install", "place", "write"))
TRACKERS.register("tensorboard", "study.reporting.tracking.tensorboard:TensorBoard")
TRACKERS.register("mlflow", "study.reporting.tracking.mlflow:MLflow")
TRACKERS.register("wandb", "study.reporting.tracking.wandb:WandB")

# Columns of trials.csv and attributes of trials in storage, beside measures.
_TAKEN = {
    "study", "arm", "seed", "phase", "state", "failure", "dataset", "bits", "stacked", "sorter_form", "nearest",
    "trial", "tuned", "config_hash", "codes_sha256", "commit", "config", "key", "after", "fingerprint", "prune_below",
    "goal", "history", "curves", "ap", "provenance", "facts", "owner", "lead", "beat",
}  # fmt: skip


def _check_measure(name: str, _: object) -> None:
    """Raises ValueError for a measure that would overwrite what a study knows of its trials."""
    if name in _TAKEN or name.startswith("factor_"):
        raise ValueError(f"measure {name!r}: the tables of a study have a column of that name, choose another")


MEASURES.demand(_check_measure)
