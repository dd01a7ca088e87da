"""Draws the figures of a report."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from nsh_core.errors import UserError, in_a_line
from nsh_core.files import write_atomically
from study.analysis.results import Results
from study.execution.side_by_side import side_by_side
from study.registry import FIGURES


@dataclass(frozen=True)
class Drawn:
    """A figure that was written, or failed.

    Attributes:
        name: Of its files.
        caption: What stands below it.
        png: The picture; empty if it failed.
        alt: What it shows, for those who do not see it.
        page: Data and layout of plotly, as JSON has them; none where there is only the picture.
        large: Whether it is to be shown as wide as the page, as photos are.
        failure: Why it failed, in one line; empty if it did not.
    """

    name: str
    caption: str
    png: bytes = b""
    failure: str = ""
    alt: str = ""
    page: dict[str, Any] | None = None
    large: bool = False


def draw(results: Results, folder: Path) -> list[Drawn]:
    """Writes the figures that the spec asks for, where they have something to show; one that fails stops no other.

    Args:
        results: Of the study.
        folder: Of the report.

    Returns:
        Those that were written, and those that failed.

    Raises:
        UserError: The folder cannot be written into.
    """
    names = results.spec.figures
    with styled():
        made = side_by_side(partial(_made, results), names)
    drawn = []
    for name, (pictures, failure) in zip(names, made, strict=True):
        if pictures:
            _write(pictures, folder, name)
        if pictures or failure:
            drawn.append(Drawn(name, FIGURES[name].caption, pictures.get("png", b""), failure))
    return drawn


def _made(results: Results, name: str) -> tuple[dict[str, bytes], str]:
    """The pictures of a figure, none where it has nothing to show, and why it failed."""
    try:
        figure = _drawn(results, name)
        return {} if figure is None else _rendered(figure), ""
    except (Exception, SystemExit) as error:
        return {}, _failure(name, error)


def figure_of(results: Results, name: str) -> Figure:
    """A figure by name, which nothing but its owner shows or keeps.

    Args:
        results: Of the study.
        name: Of a registered figure.

    Raises:
        UserError: There is no such figure, it fails, or has nothing to show.
    """
    FIGURES[name]
    try:
        with styled():
            figure = _drawn(results, name)
    except (Exception, SystemExit) as error:
        raise UserError(_failure(name, error)) from error
    if figure is None:
        raise UserError(f"figure {name!r} has nothing to show of study {results.facts.key}")
    plt.close(figure)
    return figure


def _drawn(results: Results, name: str) -> Figure | None:
    figure = FIGURES[name].draw(results)
    if not isinstance(figure, Figure | None):
        raise TypeError(f"it must give a matplotlib Figure or None, got {type(figure).__name__}")
    return figure


def _failure(name: str, error: BaseException) -> str:
    by = FIGURES.plugin_of(name)
    return f"figure {name!r}{by and f' of {by}'} failed: {in_a_line(error)}"


@contextmanager
def styled() -> Iterator[None]:
    """The look of all figures, in which a $ is a $.

    Yields:
        Nothing; what is drawn in the block has it.
    """
    with (
        sns.axes_style("whitegrid"),
        sns.plotting_context("paper", font_scale=1.1),
        plt.rc_context({"text.parse_math": False}),
    ):
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
    pictures = _rendered(figure)
    _write(pictures, folder, name)
    return pictures["png"]


def _rendered(figure: Figure) -> dict[str, bytes]:
    pictures = {"png": _saved(figure, "png", "tight")}
    # The PDF gets the layout of the PNG: to find it takes as long as to draw.
    figure.set_layout_engine("none")
    box = figure.get_tightbbox().padded(plt.rcParams["savefig.pad_inches"])
    # Without a date the same results give the same bytes.
    pictures["pdf"] = _saved(figure, "pdf", box, CreationDate=None)
    plt.close(figure)
    return pictures


def _saved(figure: Figure, kind: str, box: Bbox | str, **metadata: None) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=150, bbox_inches=box, metadata=metadata)
    return buffer.getvalue()


def _write(pictures: dict[str, bytes], folder: Path, name: str) -> None:
    for kind, picture in pictures.items():
        write_atomically(folder / f"{name}.{kind}", picture)
