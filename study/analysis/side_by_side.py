"""Several studies beside one another: what they share, and what tells them apart. Nothing is pooled over them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from nsh_core.errors import UserError
from nsh_core.measures import RESULT
from nsh_core.registry import nearest
from study.analysis.claims import Claim, claims_of
from study.analysis.generation import RUN_FILE
from study.analysis.results import Results, read_results, studies_in
from study.analysis.unplanned import settings_of
from study.analysis.versions import versions
from study.execution.provenance import UNKNOWN, differing, version_of


@dataclass(frozen=True)
class SharedDifference:
    """A planned comparison that several studies have.

    Attributes:
        question: That it belongs to, in the first of them; empty for one with the reference arm.
        group: Label of the arms that it is among; empty where there is one group.
        arm: Its name in the group.
        reference: The other arm's.
        claims: What each study shows, by the study's place.
    """

    question: str
    group: str
    arm: str
    reference: str
    claims: dict[int, Claim]


def read_several(names: Sequence[str], folder: Path) -> list[Results]:
    """Studies by name.

    Args:
        names: Of folders of results, or the folders.
        folder: Of all results.

    Raises:
        UserError: They are fewer than two or one comes twice, there are no results of one, or they are damaged.
    """
    if len(names) < 2:
        raise UserError(f"side by side are two studies or more, got {len(names)}: name another of {folder}")
    found = []
    for name in names:
        place = next((one for one in (folder / name, Path(name)) if (one / RUN_FILE).exists()), None)
        if place is None:
            near = nearest(Path(name).name, studies_in(folder))
            raise UserError(f"no results of a study {name!r} in {folder}{near}")
        found.append(read_results(place))
    keys = [one.facts.key for one in found]
    if twice := [key for key in dict.fromkeys(keys) if keys.count(key) > 1]:
        raise UserError(f"side by side are different studies, got {twice[0]!r} twice")
    return found


def labels(studies: Sequence[Results]) -> list[str]:
    """What tells each study from the others: its data set, with its name where the names differ, or its whole key.

    Args:
        studies: Two or more.
    """
    data, names = [one.facts.data_name for one in studies], [one.spec.name for one in studies]
    told = data if len(set(names)) == 1 else [f"{name} on {where}" for name, where in zip(names, data, strict=True)]
    return [one if told.count(one) == 1 else study.facts.key for one, study in zip(told, studies, strict=True)]


def shared_arms(studies: Sequence[Results]) -> list[str]:
    """Names of arms that two studies or more have complete trials of, in the order of the first that has them.

    Args:
        studies: Two or more.
    """
    known = [arm for one in studies for arm in one.arms]
    return [arm for arm in dict.fromkeys(known) if known.count(arm) > 1]


def shared_differences(studies: Sequence[Results]) -> list[SharedDifference]:
    """The planned comparisons of the same two arms that two studies or more have, in the order of their plans.

    Args:
        studies: Two or more; each claim is one of its study alone, adjusted within it.
    """
    found: dict[tuple[str, str, str], SharedDifference] = {}
    for place, results in enumerate(studies):
        table = results.tables.comparisons
        for label, arms in results.spec.groups().items():
            names = {arm.name: arm.name_in_group for arm in arms}
            claims = claims_of(table[table.group == label], names, results.spec.smallest_effect)
            order = {(one.arm, one.reference): rank for rank, one in enumerate(results.spec.contrasts)}
            claims.sort(key=lambda claim: order[claim.row["arm"], claim.row["reference"]])
            for claim in claims:
                key = label, claim.arm, claim.reference
                shared = SharedDifference(claim.row["question"], *key, claims={})
                found.setdefault(key, shared).claims[place] = claim
    return [one for one in found.values() if len(one.claims) > 1]


def differences_table(studies: Sequence[Results], shared: Iterable[SharedDifference]) -> pd.DataFrame:
    """The shared differences as a tidy table, a row for each of each study.

    Args:
        studies: As shared_differences took them.
        shared: What it gave.

    Returns:
        study, dataset, map, question, group, arm, reference; n, difference, both_low, both_high, p, tests, p_holm as in
        the study's own comparisons; outcome in words.
    """
    rows = []
    for one in shared:
        for place, claim in one.claims.items():
            facts = studies[place].facts
            own = {
                name: claim.row[name] for name in ("n", "difference", "both_low", "both_high", "p", "tests", "p_holm")
            }
            where = {"study": facts.key, "dataset": facts.dataset, "map": facts.map_name}
            what = {"question": one.question, "group": one.group, "arm": one.arm, "reference": one.reference}
            rows.append(where | what | own | {"outcome": claim.outcome})
    return pd.DataFrame(rows)


def arms_table(studies: Sequence[Results], arms: Iterable[str]) -> pd.DataFrame:
    """Test mAP of arms as a tidy table, a row for each of each study that has it.

    Args:
        studies: Two or more.
        arms: Their names.

    Returns:
        study, dataset, map, arm; n, mean, sd, both_low and both_high as in the study's own summary.
    """
    rows = []
    for arm in arms:
        for results in studies:
            if arm in results.arms:
                facts, row = results.facts, results.summary_of(RESULT).loc[arm]
                own = {name: row[name] for name in ("n", "mean", "sd", "both_low", "both_high")}
                rows.append({"study": facts.key, "dataset": facts.dataset, "map": facts.map_name, "arm": arm} | own)
    return pd.DataFrame(rows)


def differing_settings(studies: Sequence[Results], arms: Sequence[str]) -> list[tuple[str, list[str], list[str]]]:
    """Settings of arms of one name that are not the same in all studies that have them.

    Args:
        studies: Two or more.
        arms: Names that several share.

    Returns:
        The name of each setting, its values in words by study, and the arms that differ in it.
    """
    known = [
        {arm: settings_of(one, arm) for arm in arms if arm in one.arms and "config" in one.done} for one in studies
    ]
    names = dict.fromkeys(name for own in known for settings in own.values() for name in settings)
    found = []
    for name in names:
        differ = [arm for arm in arms if len({str(own[arm].get(name)) for own in known if arm in own}) > 1]
        if differ:
            found.append(
                (name, [_in_words([own[arm].get(name) for arm in differ if arm in own]) for own in known], differ)
            )
    return found


def _in_words(values: Sequence[Any]) -> str:
    told = list(dict.fromkeys("none" if value is None else str(value) for value in values))
    return told[0] if len(told) == 1 else f"{len(told)} values" if told else ""


def differing_versions(studies: Sequence[Results]) -> list[str]:
    """Names of the facts in which the versions that trained the studies differ, or that one has no record of.

    Args:
        studies: Two or more; see study.execution.provenance.version_of.
    """
    found = []
    for study in studies:
        own = [one.facts for one in versions(study.tables.trials)]
        found += own or [version_of(study.facts.provenance)]
    told = [name for one, other in combinations(found, 2) for name in differing(one, other)]
    unknown = [name for one in found for name, value in one.items() if value == UNKNOWN]
    return list(dict.fromkeys([*told, *unknown]))
