"""What tuning chose, as a section."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from study.analysis.results import Results
from study.analysis.tuned import TunedArm, tuned_arms
from study.reporting.section import Section

_NOTE = (
    "The defaults are the first try of each tuning. They were settled while this project was developed, on the digits "
    "and on CIFAR-10 features, most of that work going into NSH: on these data NSH starts from a place that was looked "
    "for (docs/methods.md)."
)


def tuned_settings(results: Results) -> Section | None:
    """The settings that tuning chose, by arm; none for a study that tunes nothing.

    Args:
        results: Of the study.
    """
    arms = tuned_arms(results)
    if not arms or not results.mode.compares:
        return None
    rows = [[arm, str(len(one.settings)), str(one.tries), _best(one), _chosen(one.chosen)] for arm, one in arms.items()]
    return Section("What tuning chose", [_NOTE], ["arm", "settings", "tries", "defaults best", "chosen"], rows)


def _best(arm: TunedArm) -> str:
    if len(arm.chosen) == 1:
        return "yes" if arm.untouched else "no"
    return f"in {arm.untouched} of {len(arm.chosen)} tunings"


def _chosen(chosen: Sequence[dict[str, Any]]) -> str:
    names = dict.fromkeys(name for settings in chosen for name in settings)
    parts = [f"{name} = {_span([one[name] for one in chosen if name in one])}" for name in names]
    return ", ".join(parts) or "the defaults"


def _span(values: list[float]) -> str:
    low, high = min(values), max(values)
    return f"{low}" if low == high else f"{low} to {high}"
