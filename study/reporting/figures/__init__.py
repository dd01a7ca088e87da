"""The figures of a report, a file each, imported when they are drawn."""

from study.registry import FIGURES

__all__ = ["FIGURES"]

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
    FIGURES.register(_name, f"{__name__}.{_name}:{_name}")
