"""Which versions of code, libraries and machine trained the trials of a study."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from study.execution.provenance import UNKNOWN, differing, version_of


@dataclass(frozen=True)
class Version:
    """What trained some of a study's trials.

    Attributes:
        facts: See study.execution.provenance.version_of.
        commits: That they were trained from.
        trials: Their rows.
    """

    facts: Mapping[str, str]
    commits: list[str]
    trials: pd.DataFrame


def versions(trials: pd.DataFrame) -> list[Version]:
    """The versions of trials that have run, in the order of their first.

    Args:
        trials: As in Tables; earlier versions recorded less of where a trial was trained.
    """
    recorded = provenances(trials)
    found: list[dict[str, str]] = []
    places = []
    for facts in recorded:
        own = version_of(facts)
        place = next((place for place, one in enumerate(found) if not differing(one, own)), len(found))
        if place == len(found):
            found.append({})
        found[place] |= own
        places.append(place)
    groups = recorded.groupby(pd.Series(places, recorded.index, dtype=int))
    return [
        Version(facts, list(dict.fromkeys(one["commit"] for one in own)), trials.loc[own.index])
        for facts, (_, own) in zip(found, groups, strict=True)
    ]


def apart(found: Sequence[Version]) -> list[str]:
    """Names of the facts that tell versions apart.

    Args:
        found: As `versions` gives them.
    """
    return list(dict.fromkeys(name for one in found for name in differing(found[0].facts, one.facts)))


def provenances(trials: pd.DataFrame) -> pd.Series:
    """Where each trial that has run was trained, a mapping of facts by its row.

    Args:
        trials: As in Tables; those of earlier versions had the commit alone, or nothing.
    """
    if "provenance" in trials:
        return trials.provenance.dropna().map(json.loads)
    commits = trials.get("commit", pd.Series(dtype=str))
    return commits.dropna().map(lambda commit: {"commit": commit})


def provenance_of(trials: pd.DataFrame) -> dict[str, str]:
    """Facts of where trials were trained, by name; of one that differs, each value with the number of its trials.

    Args:
        trials: As in Tables.
    """
    recorded = list(provenances(trials))
    names = dict.fromkeys(name for facts in recorded for name in facts)
    counts = {name: Counter(facts.get(name, UNKNOWN) for facts in recorded) for name in names}
    return {
        name: next(iter(own)) if len(own) == 1 else ", ".join(f"{value} ({n} trials)" for value, n in own.items())
        for name, own in counts.items()
    }
