"""Contrasts: the pairs of arms that a study is about, named before it runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Contrast:
    """A pair of arms to be compared.

    Attributes:
        arm: Name of one.
        reference: Name of the other, which it is compared with.
        question: That the pair helps to answer; empty where a study names none.
        group: Label of the arms that are compared with one another; empty where all are.
    """

    arm: str
    reference: str
    question: str = ""
    group: str = ""
