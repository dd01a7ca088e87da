"""Figures of a study by name; each takes Results and gives a matplotlib figure, or none if it has nothing to show."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.figure import Figure

from nsh_core.files import write_atomically
from study.analysis.results import Results
from study.reporting.figures.arms import arms
from study.reporting.figures.bits import bits
from study.reporting.figures.budget import budget
from study.reporting.figures.cost import cost
from study.reporting.figures.critical_difference import critical_difference
from study.reporting.figures.curves import curves
from study.reporting.figures.gallery import gallery
from study.reporting.figures.health import health
from study.reporting.figures.heatmap import heatmap
from study.reporting.figures.importance import importance
from study.reporting.figures.label_free import label_free
from study.reporting.figures.one_factor import one_factor
from study.reporting.figures.pareto import pareto
from study.reporting.figures.pr import pr
from study.reporting.figures.tuning import tuning

FIGURES: dict[str, Callable[[Results], Figure | None]] = {
    "arms": arms,
    "heatmap": heatmap,
    "bits": bits,
    "tuning": tuning,
    "budget": budget,
    "importance": importance,
    "one_factor": one_factor,
    "pareto": pareto,
    "critical_difference": critical_difference,
    "label_free": label_free,
    "curves": curves,
    "pr": pr,
    "health": health,
    "cost": cost,
    "gallery": gallery,
}

CAPTIONS = {
    "arms": "Test mAP of each arm: a point a seed, the mean and its 95% interval.",
    "heatmap": "Mean test mAP over seeds; the frame marks the arm that is best on validation queries.",
    "bits": "Test mAP against code length, a point a seed, band: 95% interval of the mean; dashed: continuous input.",
    "tuning": "Tuning: validation mAP of every configuration tried.",
    "budget": "Best validation mAP by tuning budget: expected if the tries had come in any order (Dodge et al. 2019); "
    "dotted: what the search had found by then.",
    "importance": "Importance of the tuned settings: share of the variance of validation mAP that each explains "
    "(fANOVA), by arm. Of some twenty tries that is a hint, no measurement.",
    "one_factor": "One factor at a time around the tuned configuration, whose own level stands in brackets: a point a "
    "seed, the mean and its 95% interval; the band is the tuned configuration.",
    "pareto": "Left: every configuration explored, by training time and validation mAP, colour: code length; diamonds: "
    "those that none beats in all three, mean over fresh seeds. Right: their test mAP, 95% intervals.",
    "critical_difference": "Mean ranks of the arms over seeds (Demšar 2006); arms that a bar joins are not told apart "
    "by Nemenyi's test at level 0.05.",
    "across": "Mean ranks over the seeds of all data sets; arms that a bar joins are not told apart by Nemenyi's test "
    "at level 0.05.",
    "label_free": "Selecting without labels: rank correlation of each quantity with test mAP over the arms, signed so "
    "that 1 selects perfectly; 95% bootstrap interval over arms.",
    "curves": "Training: validation mAP and loss by epoch, mean over seeds and its 95% interval.",
    "pr": "Precision against recall on test queries, by growing Hamming radius, mean over seeds.",
    "health": "Health of the database codes and fidelity of the sorter, a point a seed.",
    "cost": "Test mAP against training time, a point a seed; the cross is the mean.",
    "gallery": "Test queries and their ten nearest database items, first seed of each arm; wrong ones are crossed out. "
    "Of eight evenly spaced queries those on which the arms differ most.",
}


def draw(results: Results, folder: Path) -> dict[str, bytes]:
    """Writes the figures that the spec asks for as PNG and PDF; returns the PNGs by name."""
    images: dict[str, bytes] = {}
    with styled():
        for name in results.spec.figures:
            figure = FIGURES[name](results)
            if figure is not None:
                images[name] = save(figure, folder, name)
    return images


@contextmanager
def styled() -> Iterator[None]:
    """The look of all figures."""
    with sns.axes_style("whitegrid"), sns.plotting_context("paper", font_scale=1.1):
        yield


def save(figure: Figure, folder: Path, name: str) -> bytes:
    """Writes a figure as PNG and PDF, and closes it; returns the PNG."""
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
