"""A few of the random things of attack.py, the same at each run."""

from pathlib import Path

import pytest

from tests.study.attack import KINDS, attack


@pytest.mark.slow(4)
@pytest.mark.parametrize("kind", KINDS)
def test_whatever_is_handed_in_ends_well_or_in_one_line(kind, hasher, once):
    def save(folder: Path) -> None:
        hasher.save(folder / "hasher")

    codes, found = attack(kind, 10, once("attacked", save) / "hasher")
    assert not found, "\n\n".join(found)
    assert codes.total() == 10
