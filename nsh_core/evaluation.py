"""Evaluates a hasher on a data set: every measure of the catalogue, curves, and a gallery."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from nsh_core.data import Dataset, Split
from nsh_core.data.blocks import in_blocks
from nsh_core.data.images import flat_pixels
from nsh_core.measures import Evidence, taken
from nsh_core.metrics import cosine_map, mean_average_precision, nearest
from nsh_core.metrics.per_query import as_text

GALLERY_QUERIES = 8
GALLERY_RANKS = 10


def validation_map(evidence: Evidence) -> float:
    """mAP@k of the validation queries, ties by database index.

    Args:
        evidence: Of the run, whose database codes are searched.

    Returns:
        A value in [0, 1].
    """
    validation, database = evidence.dataset.validation, evidence.dataset.database
    codes = evidence.hasher.encode(validation)
    return mean_average_precision(codes, validation.labels, evidence.database, database.labels, evidence.map_at)


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found.

    Attributes:
        metrics: Values of measures by name.
        curves: By name, a value for each Hamming radius 0..K; none where no query retrieves anything.
        nearest: The nearest database items, best first, of each of the gallery's queries.
        ap: AP@k of each validation query ("val") and test query ("test"), see nsh_core.metrics.per_query.
    """

    metrics: dict[str, float]
    curves: dict[str, list[float | None]]
    nearest: list[list[int]]
    ap: dict[str, str]


def evaluate(evidence: Evidence) -> Evaluation:
    """Takes every measure that applies, of validation (val_) and test (test_) queries and of the database codes.

    Args:
        evidence: Of the run.

    Returns:
        The measures, the curves by Hamming radius, and the gallery.
    """
    curves: dict[str, list[float | None]] = {}
    ap = {}
    levels = evidence.hasher.config.code_length + 1
    for prefix, result in (("val", evidence.validation), ("test", evidence.test)):
        for name, curve in (("precision", result.curve_precision), ("recall", result.curve_recall)):
            values = curve[:levels].tolist()
            curves[f"{prefix}_{name}_by_radius"] = [None if math.isnan(value) else value for value in values]
        ap[prefix] = as_text(result.ap)
    shown = evidence.test_codes[gallery_queries(evidence.dataset)]
    return Evaluation(taken(evidence), curves, nearest(shown, evidence.database, GALLERY_RANKS), ap)


def gallery_queries(dataset: Dataset) -> npt.NDArray[np.int64]:
    """The test queries that a gallery shows, evenly spaced: the same for every run.

    Args:
        dataset: Whose test queries.

    Returns:
        Their positions among the test queries, at most 8.
    """
    return np.linspace(0, len(dataset.test) - 1, min(GALLERY_QUERIES, len(dataset.test))).astype(np.int64)


def continuous_map(dataset: Dataset, k: int | None) -> dict[str, float]:
    """mAP@k of the input features by cosine, centred by the training mean: the line that codes are measured against.

    For frozen features it is what codes of them could keep; an encoder that learns from raw pixels can pass it. Of
    images it is that of their pixels, at a side of at most 32.

    Args:
        dataset: The data set.
        k: Ranks looked at, none for all.

    Returns:
        val_map and test_map, in [0, 1].
    """
    mean = dataset.training_moments[0].float()
    database = _Centred(dataset.database, mean)
    return {
        f"{prefix}_map": cosine_map(
            np.concatenate(list(_Centred(queries, mean))), queries.labels, database, dataset.database.labels, k
        )
        for prefix, queries in (("val", dataset.validation), ("test", dataset.test))
    }


@dataclass(frozen=True)
class _Centred:
    """Items of a split less a mean, in blocks, read anew each time."""

    split: Split
    mean: torch.Tensor

    def __iter__(self) -> Iterator[npt.NDArray[np.float32]]:
        return (block.numpy() for block in in_blocks(flat_pixels(batch) - self.mean for batch in self.split.batches()))
