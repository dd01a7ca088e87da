"""What each arm retrieves, in pictures."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np

from study.analysis.gallery import Gallery
from study.analysis.results import Results
from study.reporting.figures.chart import LETTER, LINE, PAGE, Axis, Chart, Panel
from study.reporting.figures.figure import study_figure
from study.reporting.figures.marks import Mark, Picture
from study.reporting.figures.palette import RIGHT, WRONG
from study.reporting.figures.style import best_of, called, left_out

_MOST_ROWS, _MOST_ARMS = 18, 8
_PHOTO = 16  # pixels: smaller pictures show no more where they are large
_LARGEST = 0.45  # inches, of a picture with its place: with so many rows a page of a paper is full
_LETTERS = 36  # of a line of a name
_INSIDE = 0.84  # of a place, what its picture takes
_BESIDE, _BELOW = 0.25, 0.5  # places: between a query and what it finds, between queries
_AROUND = 0.45  # inches, of the labels below


@study_figure(
    "Test queries and their ten nearest database items, best first, by the first seed of each arm. Blue frame: right, "
    "an item with a label of the query; orange frame, crossed out: wrong. Of eight evenly spaced queries those on "
    "which the arms differ most."
)
def gallery(results: Results) -> Chart | None:
    """Test queries with their nearest database items, best first, by each arm; wrong ones are crossed out.

    Of the gallery's queries those on which the arms differ most, then those that are hardest.

    Args:
        results: Of the study.

    Returns:
        The figure, none where the data have no pictures.
    """
    pictures = results.gallery
    if pictures is None:
        return None
    known = list(pictures.arms)
    arms = best_of(results, known, _MOST_ARMS)
    right = _right(pictures, [known.index(arm) for arm in arms])
    telling = sorted(range(right.shape[1]), key=lambda query: (-np.ptp(right[:, query]), right[:, query].sum()))
    queries = telling[: max(1, _MOST_ROWS // len(arms))]
    names = list(called(results, arms, _in_lines).values())
    lines = [line for name in names for line in name.split("\n")]
    ranks = pictures.nearest.shape[2]
    across = 1 + _BESIDE + ranks
    place = min(_LARGEST, (PAGE - LETTER * max(map(len, lines)) - 0.2) / across)  # inches
    heights = [max(1.0, LINE * (name.count("\n") + 1) / place) for name in names]
    marks: list[Mark] = []
    middles: list[float] = []
    y = 0.0
    for query in queries:
        marks.append(_picture(pictures.query_pictures[query], 0, y + sum(heights) / 2))
        for arm, height in zip(arms, heights, strict=True):
            middles.append(y + height / 2)
            for rank, item in enumerate(pictures.nearest[known.index(arm), query]):
                frame = RIGHT if pictures.relevant[query, item] else WRONG
                marks.append(_picture(pictures.pictures[item], 1 + _BESIDE + rank, middles[-1], frame))
            y += height
        y += _BELOW
    y -= _BELOW
    panel = Panel(
        tuple(marks),
        Axis(
            low=0, high=across, ticks=(0.5, *(1.5 + _BESIDE + rank for rank in range(ranks))),
            names=("query", *(str(rank + 1) for rank in range(ranks))), hidden=True,
        ),
        Axis(low=0, high=y, ticks=tuple(middles), names=tuple(names * len(queries)), reversed=True, hidden=True),
        height=place * y + _AROUND,
        square=True,
    )  # fmt: skip
    shares = right[:, queries].mean(axis=1)
    told = ", ".join(f"{arm} {share:.1f}" for arm, share in zip(arms, shares, strict=True))
    alt = f"Of the ten nearest items of {len(queries)} test queries so many are right, mean over the queries: {told}."
    return Chart(
        (panel,), alt, left_out(len(arms), len(known)), wide=True, large=min(pictures.pictures.shape[1:3]) >= _PHOTO
    )


def _in_lines(names: dict[str, str]) -> dict[str, str]:
    return {arm: "\n".join(textwrap.wrap(name, _LETTERS)) for arm, name in names.items()}


def _right(pictures: Gallery, arms: Sequence[int]) -> np.ndarray:
    """How many of the nearest items are right [arms, queries]."""
    queries = np.arange(len(pictures.query_pictures))
    return np.stack([pictures.relevant[queries[:, None], pictures.nearest[arm]].sum(axis=1) for arm in arms])


def _picture(pixels: np.ndarray, column: float, middle: float, frame: str = "") -> Picture:
    """A picture in the middle of its place, with the frame of what is right or wrong."""
    return Picture(
        pixels=pixels, left=column + (1 - _INSIDE) / 2, top=middle - _INSIDE / 2, size=_INSIDE, frame=frame,
        crossed=frame == WRONG,
    )  # fmt: skip
