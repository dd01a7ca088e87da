"""One look, colour, marker and dash, for each arm of a study, the same in all its figures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from study.plan.arm import Arm, joined

# Chosen by a search for the largest least OKLab distance, in normal vision and without red, green or blue cones, among
# colours of a contrast above 3 on white and on the page's dark background; tests/study/reporting/figures/test_palette.
COLORS = ("#0078b4", "#906000", "#849c00", "#c01878", "#0c9cd8", "#9c48fc", "#c07884")
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "*")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
RIGHT, WRONG = "#0078b4", "#d85a00"
QUIET = "#7a7a7a"  # what belongs to no arm: single seeds, reference lines
CODE_LENGTH = "code_length"  # the factor


@dataclass(frozen=True)
class Look:
    """How the marks of an arm look.

    Attributes:
        color: As #rrggbb.
        marker: One of MARKERS.
        dash: One of DASHES.
    """

    color: str = QUIET
    marker: str = "o"
    dash: str = "solid"


def look(family: int, length: int = 0) -> Look:
    """The look of an arm, another for each of 56 families at each of 6 lengths.

    Args:
        family: Its place among the arms, those apart in code length alone counted once.
        length: The place of its code length.
    """
    rounds = family // len(COLORS) - family // (len(COLORS) * len(MARKERS)) + length
    return Look(COLORS[family % len(COLORS)], MARKERS[family % len(MARKERS)], DASHES[rounds % len(DASHES)])


def looks(arms: Iterable[Arm], apart: bool = True) -> dict[str, Look]:
    """The look of each arm by name; arms apart in code length alone share colour and marker.

    Args:
        arms: All arms of a study's spec, whoever of them is drawn.
        apart: Whether such arms have dashes of their own; not where there is a panel a code length.
    """
    families: dict[str, int] = {}
    lengths: dict[str, int] = {}
    found = {}
    for arm in arms:
        length = lengths.setdefault(arm.levels.get(CODE_LENGTH, ""), len(lengths)) if apart else 0
        found[arm.name] = look(families.setdefault(family(arm), len(families)), length)
    return found


def family(arm: Arm) -> str:
    """An arm by its levels without the code length; empty where that is all it has.

    Args:
        arm: Of a spec.
    """
    return joined({factor: label for factor, label in arm.levels.items() if factor != CODE_LENGTH})
