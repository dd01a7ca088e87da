"""Differences class by class, where a query has one label."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from nsh_core.metrics.relevance import Labels
from study.analysis.comparisons import values_of
from study.analysis.crossed import crossed
from study.analysis.generation import Generation
from study.analysis.statistics import holm
from study.plan.contrast import Contrast

CLASSES = "classes.csv"
MOST_CLASSES = 20
# With fewer nothing is known of how much queries of a class differ.
FEWEST_QUERIES = 10

Classes = npt.NDArray[np.int64]


def write_classes(labels: Labels, files: Generation) -> None:
    """Writes the label of each test query; nothing where queries have several, or there are more than 20 classes.

    Args:
        labels: Of the test queries, [Q] or multi-hot.
        files: Of the results.

    Raises:
        UserError: The folder cannot be written into.
    """
    if labels.ndim == 1 and len(np.unique(labels)) <= MOST_CLASSES:
        files.write(CLASSES, pd.DataFrame({"test": labels}).to_csv(index=False))


def read_classes(folder: Path) -> Classes | None:
    """The label of each test query [Q]; none where they were not kept.

    Args:
        folder: Of the results.

    Raises:
        ValueError: The file is damaged.
    """
    path = folder / CLASSES
    return pd.read_csv(path).test.to_numpy(np.int64) if path.exists() else None


def differences_by_class(
    trials: pd.DataFrame, per_query: pd.DataFrame, contrast: Contrast, classes: Classes
) -> pd.DataFrame:
    """The difference of two arms in test mAP over the queries of each class, on the seeds that they share.

    Args:
        trials: Complete final trials.
        per_query: As in Tables.
        contrast: The pair.
        classes: Of the test queries [Q].

    Returns:
        class, queries, difference, low, high, p_holm: the 95% interval over seeds and queries, p adjusted by Holm over
        classes, those of fewer than ten queries left out; empty where AP of single queries is not known or the two
        share fewer than two seeds.
    """
    rows, pair = [], [contrast.arm, contrast.reference]
    values = values_of(trials, per_query, pair) if set(pair) <= set(trials.arm) else np.empty((2, 0))
    if values.ndim == 3 and values.shape[1] > 1 and values.shape[2] == len(classes):
        for label in np.unique(classes):
            of_class = classes == label
            if of_class.sum() < FEWEST_QUERIES:
                continue
            found = crossed((values[0] - values[1])[:, of_class])
            rows.append((int(label), int(of_class.sum()), found.mean, *found.interval(), found.p))
    table = pd.DataFrame(rows, columns=["class", "queries", "difference", "low", "high", "p"])
    return table.assign(p_holm=holm(table.p.to_numpy(float))).drop(columns="p")
