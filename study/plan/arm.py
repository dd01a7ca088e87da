"""Arms: the configurations that a study compares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Arm:
    """One arm of a study.

    Attributes:
        name: What tables and figures call it.
        levels: Factor to level label.
        overrides: The settings that its levels change, by dotted name.
        group: Label of the arms that it is compared with; empty where all are compared.
        name_in_group: Its name among them.
        reference: Name of the arm that it is compared with, its own for a reference; none where none are compared.
    """

    name: str
    levels: Mapping[str, str]
    overrides: Mapping[str, Any]
    group: str = ""
    name_in_group: str = ""
    reference: str | None = None


def joined(levels: Mapping[str, str]) -> str:
    """Levels in words: the level alone if there is one factor, else factor=level for each.

    Args:
        levels: Factor to level label.
    """
    if len(levels) == 1:
        return next(iter(levels.values()))
    return ", ".join(f"{short(factor)}={label}" for factor, label in levels.items())


def short(factor: str) -> str:
    """The last part of a setting's name; "sorter.name" is "sorter".

    Args:
        factor: Dotted name of a setting.
    """
    return factor.removesuffix(".name").rpartition(".")[2]
