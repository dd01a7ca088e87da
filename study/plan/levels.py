"""Factors of a study and their levels: what a level may be, and what a study may set."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Annotated, Any

from pydantic import BeforeValidator, Discriminator, Tag

from nsh_core.registry import listed, nearest
from nsh_core.settings import clash


def _level(value: Any) -> Any:
    if not isinstance(value, (str, int, float)):
        raise ValueError("a level is text, a number, true or false; others get a name, as NAME: {setting: value}")
    return value


def _levels(value: Any) -> Any:
    named = isinstance(value, dict) and all(isinstance(settings, dict) for settings in value.values())
    if not (named or isinstance(value, list)):
        raise ValueError("a factor is a list of values of its setting, or a mapping of names to settings {a.b: c}")
    if not value:
        raise ValueError("a factor needs at least one level, and has none")
    return value


Level = Annotated[str | int | float | bool, BeforeValidator(_level)]
Levels = Annotated[
    Annotated[list[Level], Tag("list")] | Annotated[dict[str, dict[str, Any]], Tag("mapping")],
    Discriminator(lambda value: "list" if isinstance(value, list) else "mapping"),
    BeforeValidator(_levels),
]


def check_factors(base: Mapping[str, Any], factors: Mapping[str, list[Any] | Mapping[str, Mapping[str, Any]]]) -> None:
    """Looks whether each setting of a study has one place that says what it is.

    Args:
        base: Settings of every run.
        factors: Name to levels.

    Raises:
        ValueError: Level names cannot be told apart or printed, a setting is given twice, or is the seed.
    """
    for factor, levels in factors.items():
        labels = [str(level) for level in levels]
        unprintable = [label for label in labels if not label.isprintable() or not label.strip()]
        if unprintable:
            raise ValueError(f"level names of {factor!r} must be printable text in one line, got {unprintable}")
        if len(set(labels)) < len(labels):
            raise ValueError(f"factor {factor!r} needs levels, each once, got {labels}")
        for label, settings in levels.items() if isinstance(levels, Mapping) else ():
            _check_settings(f"level {label!r} of {factor!r}", settings)
    _check_settings("base", base)
    named = {factor: settings_of(factor, levels) for factor, levels in factors.items()}
    for one, other in combinations(named, 2):
        shared = clash([*named[one], *named[other]])
        if shared is not None:
            both = " and ".join(dict.fromkeys(shared))
            raise ValueError(f"factors {one!r} and {other!r} both set {both}: one would replace what the other says")
    if any("seed" in names for names in named.values()):
        raise ValueError(_SEED)


def check_groups(groups: Mapping[str, Mapping[str, list[Any]]], labels: Mapping[str, list[str]]) -> None:
    """Looks whether groups of arms name levels that there are.

    Args:
        groups: Name to levels, factor by factor.
        labels: Factor to the labels of its levels.

    Raises:
        ValueError: There is no such factor or level, or a group names none.
    """
    for group, chosen in groups.items():
        for factor, levels in chosen.items():
            if factor not in labels:
                near = nearest(factor, labels)
                raise ValueError(f"arm_groups, {group!r}: no factor {factor!r}, known: {listed(labels)}{near}")
            unknown = [str(level) for level in levels if str(level) not in labels[factor]]
            if unknown:
                known = f"{listed(labels[factor])}{nearest(unknown[0], labels[factor])}"
                raise ValueError(f"arm_groups, {group!r}: no level {unknown[0]!r} of {factor!r}, known: {known}")
        if not chosen or not all(chosen.values()):
            raise ValueError(f"arm_groups, {group!r}: needs levels of a factor, as FACTOR: [LEVEL, ...], got {chosen}")


_SEED = "seed is no setting of an arm: every arm runs with the seeds 0, 1, ..., as many as `seeds` says"


def _check_settings(where: str, settings: Mapping[str, Any]) -> None:
    twice = clash(settings)
    if twice is not None:
        raise ValueError(f"{where} sets {twice[1]} twice, as {twice[0]} too")
    if "seed" in settings:
        raise ValueError(f"{where}: {_SEED}")


def settings_of(factor: str, levels: list[Any] | Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The settings that a factor's levels change, by dotted name.

    Args:
        factor: Its name.
        levels: Its levels.
    """
    names = [factor] if isinstance(levels, list) else [name for settings in levels.values() for name in settings]
    return list(dict.fromkeys(names))
