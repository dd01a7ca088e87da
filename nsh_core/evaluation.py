"""Evaluates a hasher on a data set: validation and test retrieval, code health, sorter fidelity."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from nsh_core.codes import PackedCodes, unpack
from nsh_core.data import Dataset, Split
from nsh_core.data.images import flat_pixels
from nsh_core.hasher import Hasher
from nsh_core.losses import agreeing_bits
from nsh_core.metrics import (
    RetrievalMetrics,
    code_health,
    cosine_map,
    mean_average_precision,
    nearest,
    retrieval_metrics,
    sorter_fidelity,
)
from nsh_core.metrics.relevance import Labels
from nsh_core.sorters import build

GALLERY_QUERIES = 8
GALLERY_RANKS = 10


def map_limit(hasher: Hasher, dataset: Dataset) -> int | None:
    """k of mAP@k: the config's, else the data set's."""
    return dataset.default_map_at if hasher.config.map_at is None else hasher.config.map_at


def validation_map(hasher: Hasher, dataset: Dataset, database: PackedCodes) -> float:
    """mAP@k of the validation queries among the packed codes of the database, ties by database index."""
    return mean_average_precision(
        hasher.encode(dataset.validation),
        dataset.validation.labels,
        database,
        dataset.database.labels,
        map_limit(hasher, dataset),
    )


@dataclass(frozen=True)
class Evaluation:
    """metrics by name, curves by name, and the nearest database items, best first, of each of the gallery's queries."""

    metrics: dict[str, float]
    curves: dict[str, list[float | None]]
    nearest: list[list[int]]


def evaluate(hasher: Hasher, dataset: Dataset, threads: int = 1, database: PackedCodes | None = None) -> Evaluation:
    """Metrics of the validation (val_) and test (test_) queries and of the database codes, curves, and a gallery.

    test_map_class_order is what test_map reads if the database stands in class order, ties by index as ever.
    threads: chunks of queries worked on at once; no value depends on it. database: its packed codes, if known.
    """
    database = hasher.encode(dataset.database) if database is None else database
    labels = dataset.database.labels
    k = map_limit(hasher, dataset)
    metrics: dict[str, float] = {}
    curves: dict[str, list[float | None]] = {}
    for prefix, queries in (("val", dataset.validation), ("test", dataset.test)):
        codes = hasher.encode(queries)
        result: RetrievalMetrics = retrieval_metrics(
            codes, queries.labels, database, labels, k, hasher.config.precision_at, threads
        )
        metrics |= {
            f"{prefix}_map": result.map,
            f"{prefix}_map_expected": result.map_expected,
            f"{prefix}_map_all": result.map_all,
            f"{prefix}_map_all_expected": result.map_all_expected,
            f"{prefix}_precision": result.precision,
            f"{prefix}_recall": result.recall,
            f"{prefix}_precision_radius_2": result.precision_radius_2,
        }
        levels = hasher.config.code_length + 1
        for name, curve in (("precision", result.curve_precision), ("recall", result.curve_recall)):
            curves[f"{prefix}_{name}_by_radius"] = [
                None if math.isnan(value) else value for value in curve[:levels].tolist()
            ]
    order = _class_order(labels)
    metrics["test_map_class_order"] = mean_average_precision(
        codes, dataset.test.labels, database[order], labels[order], k
    )
    metrics |= label_free_metrics(hasher, database)
    return Evaluation(metrics, curves, nearest(codes[gallery_queries(dataset)], database, GALLERY_RANKS))


def gallery_queries(dataset: Dataset) -> npt.NDArray[np.int64]:
    """The test queries that a gallery shows, evenly spaced: the same for every run."""
    return np.linspace(0, len(dataset.test) - 1, min(GALLERY_QUERIES, len(dataset.test))).astype(np.int64)


def label_free_metrics(hasher: Hasher, database: PackedCodes) -> dict[str, float]:
    """Health of the database codes and, for a method that sorts, fidelity of its sorter."""
    metrics = code_health(database, hasher.config.code_length)
    if hasher.sorter_form != "none":
        metrics["sorter_fidelity"] = _fidelity(hasher, database)
    return metrics


def _class_order(labels: Labels) -> npt.NDArray[np.int64]:
    """The database sorted by class, or by its first label where it has several."""
    return np.argsort(labels if labels.ndim == 1 else labels.argmax(axis=1), kind="stable")


def _fidelity(hasher: Hasher, database: PackedCodes) -> float:
    """Sorter fidelity on one batch of database codes, evenly spaced."""
    config = hasher.config
    count = min(config.train.batch_size, len(database))
    picked = database[np.linspace(0, len(database) - 1, count).astype(int)]
    codes = torch.from_numpy(unpack(picked, config.code_length)).float()
    sorter = build(config.sorter.name, **config.sorter.build_options())
    return sorter_fidelity(sorter, agreeing_bits(codes, codes))


def continuous_map(dataset: Dataset, k: int | None) -> dict[str, float]:
    """mAP@k of the input features by cosine, centred by the training mean: the line that codes are measured against.

    Returns val_map and test_map. For frozen features it is what codes of them could keep; an encoder that learns
    from raw pixels can pass it. Of images it is that of their pixels, at a side of at most 32.
    """
    mean = dataset.training_moments[0].float()
    database = _centred(dataset.database, mean)
    return {
        f"{prefix}_map": cosine_map(_centred(queries, mean), queries.labels, database, dataset.database.labels, k)
        for prefix, queries in (("val", dataset.validation), ("test", dataset.test))
    }


def _centred(split: Split, mean: torch.Tensor) -> npt.NDArray[np.float32]:
    return torch.cat([flat_pixels(batch) - mean for batch in split.batches()]).numpy()
