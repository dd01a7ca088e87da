"""Where tuning searched, and what it tried, as a section."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import reduce
from typing import Any

import pandas as pd

from study.analysis.results import Results
from study.reporting.base_settings import in_words
from study.reporting.section import Section


def search_spaces(results: Results) -> Section | None:
    """A row a setting and the arms that searched it alike; none for a study that tunes nothing.

    Args:
        results: Of the study.
    """
    trials = results.tables.trials
    tries = trials[trials.phase == "tuning"]
    if results.spec.tune is None or tries.empty:
        return None
    arms: dict[tuple[str, ...], list[str]] = {}
    for arm, own in tries.groupby("arm", sort=False):
        tuned = [json.loads(text) for text in own.tuned]
        for name in dict.fromkeys(name for one in tuned for name in one):
            tried = sorted(one[name] for one in tuned if name in one)
            row = name, *_range(results, str(arm), name), _default(own, name), f"{tried[0]:g} to {tried[-1]:g}"
            arms.setdefault(row, []).append(str(arm))
    told = bool(results.facts.spaces)
    columns = ["setting", *(["range", "scale"] if told else []), "default", "tried", "arms"]
    rows = [[*row, ", ".join(own)] for row, own in sorted(arms.items())]
    tune = results.spec.tune
    note = (
        f"{tune.trials} tries of each tuning by {tune.sampler.name}, the defaults first; tried: the least and the "
        "largest value besides them."
    )
    return Section("Search spaces", [note], columns, rows, folded=True)


def _range(results: Results, arm: str, name: str) -> Sequence[str]:
    """Range and scale; nothing where an earlier version ran the study, which did not keep them."""
    if not results.facts.spaces:
        return []
    span = results.facts.spaces.get(arm, {}).get(name)
    if span is None:
        return "", ""
    step = "" if span.step is None else f", in steps of {span.step:g}"
    return f"{span.low:g} to {span.high:g}{step}", "log" if span.log else "linear"


def _default(tries: pd.DataFrame, name: str) -> str:
    """Of the try that changes nothing."""
    first = tries[tries.tuned == "{}"]
    if first.empty or "config" not in first:
        return ""
    value: Any = reduce(lambda node, part: node.get(part, {}), name.split("."), json.loads(first.config.iloc[0]))
    return "the sorter's" if value is None else in_words(value)
