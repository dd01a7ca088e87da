"""What tuning had to choose from in each arm, and what it chose."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from study.analysis.results import Results


@dataclass(frozen=True)
class TunedArm:
    """An arm that was tuned.

    Attributes:
        settings: Dotted names of what was searched.
        tries: Of each tuning, the defaults among them.
        chosen: By each tuning whose choice ran: the settings, none for the defaults.
    """

    settings: tuple[str, ...]
    tries: int
    chosen: tuple[dict[str, Any], ...]

    @property
    def untouched(self) -> int:
        """In how many tunings the defaults were best."""
        return sum(not settings for settings in self.chosen)


def tuned_arms(results: Results) -> dict[str, TunedArm]:
    """The arms of which trials of tuning are known, by name; empty for a study that tunes nothing.

    Where a study compares no arms, what it chose are arms of their own, and the tries are everyone's.

    Args:
        results: Of the study.
    """
    if results.spec.tune is None:
        return {}
    trials = results.tables.trials
    tried = {str(arm): own for arm, own in trials[trials.phase == "tuning"].groupby("arm", sort=False)}
    found = {}
    for arm, finals in results.done.groupby("arm", sort=False):
        own = tried.get(str(arm) if results.mode.compares else str(arm).rpartition(" #")[0])
        if own is not None:
            settings = dict.fromkeys(name for text in own.tuned for name in json.loads(text))
            chosen = finals.tuned if results.spec.tune.each_seed else finals.tuned.iloc[:1]
            found[str(arm)] = TunedArm(tuple(settings), len(own) // own.seed.nunique(), tuple(map(json.loads, chosen)))
    return found
