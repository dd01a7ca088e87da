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
    """Levels in words: factor=level for each; a single level that is a word, as "softsort", stands for itself.

    Args:
        levels: Factor to level label.
    """
    if len(levels) == 1 and not any(map(_says_nothing, levels.values())):
        return next(iter(levels.values()))
    return ", ".join(f"{short(factor)}={label}" for factor, label in levels.items())


def former(name: str, levels: Mapping[str, str]) -> str:
    """What earlier versions called an arm, which named a single level alone, "5", in all cases.

    Stored tables, comparisons in specs, and the random streams of tuning may go by it.

    Args:
        name: Of the arm by now.
        levels: That it is named after: factor to level label.
    """
    return next(iter(levels.values())) if len(levels) == 1 and name == joined(levels) else name


def _says_nothing(label: str) -> bool:
    """Whether a level is a number, true or false, and says nothing without its factor."""
    try:
        float(label)
    except ValueError:
        return label in ("True", "False")
    return True


def short(factor: str) -> str:
    """The last part of a setting's name; "sorter.name" is "sorter".

    Args:
        factor: Dotted name of a setting.
    """
    return factor.removesuffix(".name").rpartition(".")[2]
