"""A comparison of any two arms of stored studies, asked for after the fact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from nsh_core.config import Config
from nsh_core.errors import UserError
from nsh_core.measures import RESULT
from nsh_core.registry import listed, nearest
from nsh_core.settings import dotted
from study.analysis.claims import Claim, claims_of
from study.analysis.comparisons import compare
from study.analysis.results import Results, read_results, studies_in
from study.plan.contrast import Contrast

Side = tuple[Results, str]


def find_arm(text: str, folder: Path, own: Results | None) -> Side:
    """An arm by name, of a study at hand, or of another as STUDY:ARM.

    Args:
        text: As typed.
        folder: Of all results.
        own: The study at hand.

    Returns:
        The study and the arm's name.

    Raises:
        UserError: There is no such arm with a complete trial.
    """
    study, colon, arm = text.partition(":")
    if own is not None and text in own.arms:
        return own, text
    if colon and study and (folder / study).is_dir():
        other = read_results(folder / study)
        if arm in other.arms:
            return other, arm
        raise UserError(f"{study} has no arm {arm!r}{_known(arm, other)}")
    if own is None and colon:
        near = nearest(study, studies_in(folder))
        raise UserError(f"there are no results of a study {study!r} in {folder}{near}")
    if own is None:
        raise UserError(f"an arm is STUDY:ARM where no study is given, got {text!r}")
    raise UserError(f"{own.facts.key} has no arm {text!r} (of another study: STUDY:ARM){_known(text, own)}")


def _known(arm: str, results: Results) -> str:
    """The arms that there are, and the nearest: of several factors one level, or some, may have been typed."""
    arms = results.arms
    near = nearest(arm, arms) or next((f"; did you mean {one!r}?" for one in arms if arm and arm in one), "")
    return f", known: {listed(arms) or 'none is complete'}{near}"


def differences(one: Side, other: Side) -> dict[str, tuple[Any, Any]]:
    """The settings, by dotted name, in which two arms differ.

    Args:
        one: An arm.
        other: Another.
    """
    mine, yours = (settings_of(results, arm) for results, arm in (one, other))
    names = dict.fromkeys([*mine, *yours])
    return {name: (mine.get(name), yours.get(name)) for name in names if mine.get(name) != yours.get(name)}


def settings_of(results: Results, arm: str) -> dict[str, Any]:
    """The settings of an arm's final trials by dotted name; of one that tuning chose for each seed, all that it is.

    Args:
        results: Of the study.
        arm: With complete trials.
    """
    found: dict[str, list[Any]] = {}
    for text in results.done[results.done.arm == arm].config:
        config = Config.model_validate_json(text)
        flat = dotted(config.model_dump(mode="json", exclude={"seed"}))
        for name, value in (flat | {"sorter.temperature": config.sorter.softness}).items():
            values = found.setdefault(name, [])
            if value not in values:
                values.append(value)
    spans = {name: f"{min(values)} to {max(values)}" for name, values in found.items() if len(values) > 1}
    return {name: values[0] for name, values in found.items()} | spans


def unplanned(one: Side, other: Side) -> Claim:
    """What two arms' stored trials show, on the seeds and queries that they share.

    Args:
        one: An arm.
        other: The arm that it is compared with.

    Raises:
        UserError: They are one arm, or have other data, another k of mAP or no seed in common.
    """
    (results, arm), (others, reference) = one, other
    facts, their = results.facts, others.facts
    same = facts.key == their.key
    if same and arm == reference:
        raise UserError(f"a comparison wants two arms, got {arm!r} twice")
    for what, mine, yours in (
        ("data", facts.fingerprint, their.fingerprint),
        ("k of mAP", facts.map_name, their.map_name),
    ):
        if mine != yours:
            raise UserError(f"a comparison wants two studies with the same {what}, got {mine} and {yours}")
    names = (arm, reference) if same else (f"{facts.key}: {arm}", f"{their.key}: {reference}")
    sides = [
        (side.done[side.done.arm == own].assign(arm=name), side.tables.per_query.query("arm == @own").assign(arm=name))
        for (side, own), name in zip((one, other), names, strict=True)
    ]
    trials, per_query = (pd.concat(parts, ignore_index=True) for parts in zip(*sides, strict=True))
    table = compare(trials, [Contrast(*names)], per_query, [RESULT])
    if table.empty:
        raise UserError(f"{names[0]} and {names[1]} have no seed in common")
    [claim] = claims_of(table, dict(zip(names, names, strict=True)), results.spec.smallest_effect)
    return claim
