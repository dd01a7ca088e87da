"""Draws the figures of a report."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.figure import Figure

from nsh_core.files import write_atomically
from study.analysis.results import Results
from study.registry import FIGURES


@dataclass(frozen=True)
class Drawn:
    """A figure that was written.

    Attributes:
        name: Of its files.
        caption: What stands below it.
        png: The picture.
    """

    name: str
    caption: str
    png: bytes


def draw(results: Results, folder: Path) -> list[Drawn]:
    """Writes the figures that the spec asks for, where they have something to show.

    Args:
        results: Of the study.
        folder: Of the report.

    Raises:
        UserError: The folder cannot be written into.
    """
    drawn = []
    with styled():
        for name in results.spec.figures:
            figure = FIGURES[name].draw(results)
            if figure is not None:
                drawn.append(Drawn(name, FIGURES[name].caption, save(figure, folder, name)))
    return drawn


@contextmanager
def styled() -> Iterator[None]:
    """The look of all figures.

    Yields:
        Nothing; what is drawn in the block has it.
    """
    with sns.axes_style("whitegrid"), sns.plotting_context("paper", font_scale=1.1):
        yield


def save(figure: Figure, folder: Path, name: str) -> bytes:
    """Writes a figure as PNG and PDF, and closes it.

    Args:
        figure: Drawn.
        folder: Of the report.
        name: Of the files.

    Returns:
        The PNG.

    Raises:
        UserError: The folder cannot be written into.
    """
    written: dict[str, bytes] = {}
    for kind in ("png", "pdf"):
        buffer = io.BytesIO()
        # Without a date the same results give the same bytes.
        metadata = {"CreationDate": None} if kind == "pdf" else {}
        figure.savefig(buffer, format=kind, dpi=150, bbox_inches="tight", metadata=metadata)
        written[kind] = buffer.getvalue()
        write_atomically(folder / f"{name}.{kind}", written[kind])
    plt.close(figure)
    return written["png"]
