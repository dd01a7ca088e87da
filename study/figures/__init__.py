"""Figures of a study by name; each takes Results and gives a matplotlib figure, or none if it has nothing to show."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.figure import Figure

from nsh_core.files import write_atomically
from study.figures.arms import arms
from study.figures.bits import bits
from study.figures.cost import cost
from study.figures.curves import curves
from study.figures.gallery import gallery
from study.figures.health import health
from study.figures.heatmap import heatmap
from study.figures.label_free import label_free
from study.figures.pr import pr
from study.figures.tuning import tuning
from study.results import Results

FIGURES: dict[str, Callable[[Results], Figure | None]] = {
    "arms": arms,
    "heatmap": heatmap,
    "bits": bits,
    "tuning": tuning,
    "label_free": label_free,
    "curves": curves,
    "pr": pr,
    "health": health,
    "cost": cost,
    "gallery": gallery,
}

CAPTIONS = {
    "arms": "Test mAP of each arm: a point a seed, the mean and its 95% bootstrap interval.",
    "heatmap": "Mean test mAP over seeds; the frame marks the arm that is best on validation queries.",
    "bits": "Test mAP against code length, a point a seed, band: 95% bootstrap interval; dashed: continuous input.",
    "tuning": "Tuning: validation mAP of every configuration tried.",
    "label_free": "Selecting without labels: rank correlation of each quantity with test mAP over the arms, signed so "
    "that 1 selects perfectly; 95% bootstrap interval over arms.",
    "curves": "Training: validation mAP and loss by epoch, mean over seeds and 95% bootstrap interval.",
    "pr": "Precision against recall on test queries, by growing Hamming radius, mean over seeds.",
    "health": "Health of the database codes and fidelity of the sorter, a point a seed.",
    "cost": "Test mAP against training time, a point a seed; the cross is the mean.",
    "gallery": "Test queries and their ten nearest database items, first seed of each arm; wrong ones are crossed out. "
    "Of eight evenly spaced queries those on which the arms differ most.",
}


def draw(results: Results, folder: Path) -> dict[str, bytes]:
    """Writes the figures that the spec asks for as PNG and PDF; returns the PNGs by name."""
    images: dict[str, bytes] = {}
    with sns.axes_style("whitegrid"), sns.plotting_context("paper", font_scale=1.1):
        for name in results.spec.figures:
            figure = FIGURES[name](results)
            if figure is None:
                continue
            for kind in ("png", "pdf"):
                buffer = io.BytesIO()
                # Without a date the same results give the same bytes.
                metadata = {"CreationDate": None} if kind == "pdf" else {}
                figure.savefig(buffer, format=kind, dpi=150, bbox_inches="tight", metadata=metadata)
                write_atomically(folder / f"{name}.{kind}", buffer.getvalue())
                if kind == "png":
                    images[name] = buffer.getvalue()
            plt.close(figure)
    return images
