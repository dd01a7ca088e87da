"""Draws the figures of a report."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from nsh_core.errors import UserError, in_a_line
from nsh_core.files import write_atomically
from study.analysis.results import Results
from study.execution.side_by_side import side_by_side
from study.registry import FIGURES
from study.reporting.figures.chart import Chart
from study.reporting.figures.on_page import on_page
from study.reporting.figures.on_paper import on_paper, styled

_DPI = 200
# Of a figure that no chart describes; a chart is as wide as it says.
_PAD = 0.05


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
    made = side_by_side(partial(_made, results), results.spec.figures)
    drawn = [one for one in made if one is not None]
    for one, pdf in drawn:
        if not one.failure:
            _write(one, pdf, folder)
    return [one for one, _ in drawn]


def _made(results: Results, name: str) -> tuple[Drawn, bytes] | None:
    """A figure and its PDF, or why it failed; none where it has nothing to show."""
    caption = FIGURES[name].caption
    try:
        with styled():
            figure = _drawn(results, name)
        return None if figure is None else _rendered(figure, name, caption)
    except (Exception, SystemExit) as error:
        return Drawn(name, caption, failure=_failure(name, error)), b""


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
        drawn = on_paper(figure) if isinstance(figure, Chart) else figure
    except (Exception, SystemExit) as error:
        raise UserError(_failure(name, error)) from error
    if drawn is None:
        raise UserError(f"figure {name!r} has nothing to show of study {results.facts.key}")
    plt.close(drawn)
    # A notebook can show figures from pyplot's first one on.
    plt.close(plt.figure())
    return drawn


def _drawn(results: Results, name: str) -> Chart | Figure | None:
    figure = FIGURES[name].draw(results)
    if not isinstance(figure, Chart | Figure | None):
        raise TypeError(f"it must give a Chart, a matplotlib Figure or None, got {type(figure).__name__}")
    return figure


def _failure(name: str, error: BaseException) -> str:
    by = FIGURES.plugin_of(name)
    return f"figure {name!r}{by and f' of {by}'} failed: {in_a_line(error)}"


def save(figure: Chart | Figure, folder: Path, name: str, caption: str) -> Drawn:
    """Writes a figure as PNG and PDF, and closes it.

    Args:
        figure: Drawn.
        folder: Of the report.
        name: Of the files.
        caption: What stands below it.

    Raises:
        UserError: The folder cannot be written into.
    """
    drawn, pdf = _rendered(figure, name, caption)
    _write(drawn, pdf, folder)
    return drawn


def _rendered(figure: Chart | Figure, name: str, caption: str) -> tuple[Drawn, bytes]:
    chart = figure if isinstance(figure, Chart) else None
    with _missing() as missing:
        png, pdf = _pictures(on_paper(figure) if isinstance(figure, Chart) else figure, tight=chart is None)
    note = f"Boxes in PNG and PDF stand for {' '.join(sorted(missing))}, which their font has not." if missing else ""
    caption = " ".join(filter(None, [caption, chart.note if chart else "", note]))
    if chart is None:
        return Drawn(name, caption, png, alt=caption), pdf
    return Drawn(name, caption, png, alt=chart.alt, page=on_page(chart), large=chart.large), pdf


@contextmanager
def _missing() -> Iterator[set[str]]:
    """Characters that the font of pictures has not, known when the block is over; matplotlib warns of each."""
    found: set[str] = set()
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        yield found
    for one in heard:
        if glyph := re.match(r"Glyph (\d+) .*missing from", str(one.message)):
            found.add(chr(int(glyph.group(1))))
        else:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)


def _pictures(figure: Figure, tight: bool) -> tuple[bytes, bytes]:
    """PNG and PDF, cut to what is drawn if tight, or of the size of the figure."""
    with styled():
        png = _saved(figure, "png", bbox_inches="tight" if tight else None)
        # The PDF gets the layout of the PNG: to find it takes as long as to draw.
        figure.set_layout_engine("none")
        box = figure.get_tightbbox().padded(_PAD) if tight else None
        # Without a date the same results give the same bytes.
        pdf = _saved(figure, "pdf", bbox_inches=box, metadata={"CreationDate": None})
    plt.close(figure)
    return png, pdf


def _saved(figure: Figure, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=_DPI, **options)
    return buffer.getvalue()


def _write(drawn: Drawn, pdf: bytes, folder: Path) -> None:
    write_atomically(folder / f"{drawn.name}.png", drawn.png)
    write_atomically(folder / f"{drawn.name}.pdf", pdf)
