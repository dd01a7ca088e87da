"""What runs cost where they have the machine to themselves: one after another, unstacked, repeated."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

import nsh_core
from nsh_core.measures import Place, measures
from study.execution.provenance import provenance
from study.plan.trials import PlannedTrial

_MEASURES = [one.name for one in measures(Place.COST)]
COST = ["arm", "repeat", *_MEASURES, "load", "host"]


def first_finals(trials: Sequence[PlannedTrial]) -> list[PlannedTrial]:
    """The first final trial of each arm.

    Args:
        trials: Of a plan.
    """
    first: dict[str, PlannedTrial] = {}
    for trial in trials:
        if not trial.tuning:
            first.setdefault(trial.arm.name, trial)
    return list(first.values())


def measure_cost(trials: Sequence[PlannedTrial], dataset: nsh_core.Dataset, repeats: int) -> Iterator[pd.DataFrame]:
    """Trains a trial of each arm again and again, arms in turn, in this process.

    Args:
        trials: One an arm.
        dataset: Of the study.
        repeats: Of each, after a first round that is not counted.

    Yields:
        After each round all rows so far: arm, repeat, the cost measures, the machine's load in the minute before, host.
    """
    from study.execution.trial import train  # with torch, which whoever reads a cost does without

    rows: list[dict[str, Any]] = []
    host = provenance()["host"]
    for repeat in range(-1, repeats):
        for trial in trials:
            load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
            [outcome] = train([trial.config], dataset, 1, True, [{}])
            if repeat >= 0 and not outcome.facts.failure:
                cost = {name: outcome.facts.measures[name] for name in _MEASURES}
                rows.append({"arm": trial.arm.name, "repeat": repeat, **cost, "load": load, "host": host})
        if repeat >= 0:
            yield pd.DataFrame(rows, columns=COST)
