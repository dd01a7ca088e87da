"""The README is short, and what it names is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_it_is_short():
    assert len(README.splitlines()) < 120


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_what_it_links_to_is_there(target):
    assert (ROOT / target).exists()


def test_its_commands_are_targets_of_make():
    named = set(re.findall(r"\bmake ([a-z]+)(?= |`)", README))
    assert named == {"study", "test", "docs", "reference", "numbers"}
    assert named <= set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
