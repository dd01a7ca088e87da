"""What is compared: a project's side, a reference's side and the error between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.measure import Work

SIZES = (64, 128, 256, 512, 1024)
LARGEST = 4096


def _not_measured() -> None:
    return None


@dataclass(frozen=True)
class Case:
    """One line of the table.

    Attributes:
        name: Of the case.
        n: Items of a batch, or of the database; 1 where there are none.
        project: The project's side.
        reference_name: What the project is compared with; empty where it is with nothing.
        reference: The reference's side; none where there is none, or it does not fit into memory or a minute.
        error: Gives the largest difference between the two; none where it is not measured.
        bits: Code length; none where there are no codes.
        anchors: Rows that are sorted, seeds of a stack, queries of a retrieval, images of an extraction; none: n.
        here: Whether both work in this process, whose memory then is theirs.
    """

    name: str
    n: int
    project: Work
    reference_name: str = ""
    reference: Work | None = None
    error: Callable[[], float | None] = _not_measured
    bits: int | None = None
    anchors: int | None = None
    here: bool = True
