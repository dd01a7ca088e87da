"""Arms are told apart: by contrast, by all eyes, and by looks that depend on the study alone."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.plan.arm import Arm
from study.reporting.figures.palette import COLORS, DASHES, MARKERS, QUIET, RIGHT, WRONG, looks

DARK = "#14181d"  # of the report
# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB.
VISIONS = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def linear(color: str) -> np.ndarray:
    parts = np.array([int(color[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """As WCAG has it."""
    light = sorted(float(linear(color) @ [0.2126, 0.7152, 0.0722]) + 0.05 for color in (one, other))
    return light[1] / light[0]


def oklab(rgb: np.ndarray) -> np.ndarray:
    """Ottosson 2020."""
    to_cones = [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
    to_lab = [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
    return np.array(to_lab) @ np.cbrt(np.array(to_cones) @ rgb)


def distance(one: str, other: str, vision: str) -> float:
    seen = [oklab(np.clip(np.array(VISIONS[vision]) @ linear(color), 0, 1)) for color in (one, other)]
    return float(np.linalg.norm(seen[0] - seen[1]))


def test_the_measures_know_black_white_and_what_the_blind_confuse():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert distance("#000000", "#ffffff", "normal") == pytest.approx(1, abs=1e-3)
    red, green = "#a06000", "#609000"
    assert distance(red, green, "deuteranopia") < 0.5 * distance(red, green, "normal")


@pytest.mark.parametrize("color", [*COLORS, RIGHT, WRONG, QUIET])
def test_every_colour_is_seen_on_white_and_on_the_dark_page(color):
    assert contrast(color, "#ffffff") > 3
    assert contrast(color, DARK) > 3


@pytest.mark.parametrize("vision", VISIONS)
def test_colours_are_told_apart_by_all_eyes(vision):
    """0.02 is about the least difference that is seen at all."""
    assert min(distance(one, other, vision) for one, other in combinations(COLORS, 2)) > 0.1
    assert distance(RIGHT, WRONG, vision) > 0.2


def arms(families: int, lengths: list[str]) -> list[Arm]:
    found = []
    for family in range(families):
        for length in lengths:
            levels = {"method": f"m{family}"} | ({"code_length": length} if length else {})
            found.append(Arm(f"{family} {length}", levels, {}))
    return found


@given(st.integers(1, 56), st.integers(0, 6))
def test_no_two_arms_look_alike(families, lengths):
    found = looks(arms(families, [str(8 << place) for place in range(lengths)] or [""]))
    assert len(set(found.values())) == len(found)
    assert {(one.color, one.marker, one.dash) for one in found.values()} <= {
        (color, marker, dash) for color in COLORS for marker in MARKERS for dash in DASHES
    }


def test_many_arms_without_code_lengths_look_different_too():
    assert len(set(looks(arms(300, [""])).values())) == 300


def test_arms_apart_in_code_length_alone_share_colour_and_marker():
    known = arms(3, ["16", "32"])
    apart, alike = looks(known), looks(known, apart=False)
    for family in range(3):
        short, long = apart[f"{family} 16"], apart[f"{family} 32"]
        assert (short.color, short.marker) == (long.color, long.marker)
        assert short.dash != long.dash
        assert alike[f"{family} 16"] == alike[f"{family} 32"]
