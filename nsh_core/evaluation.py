"""Evaluates a hasher on a data set: validation and test retrieval, code health, sorter fidelity."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch

from nsh_core.codes import PackedCodes, unpack
from nsh_core.data import Dataset, Split
from nsh_core.hasher import Hasher
from nsh_core.losses import agreeing_bits
from nsh_core.metrics import (
    RetrievalMetrics,
    code_health,
    cosine_map,
    mean_average_precision,
    retrieval_metrics,
    sorter_fidelity,
)
from nsh_core.sorters import build


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


def evaluate(
    hasher: Hasher, dataset: Dataset, threads: int = 1, database: PackedCodes | None = None
) -> tuple[dict[str, float], dict[str, list[float | None]]]:
    """Metrics by name, of the validation (val_) and test (test_) queries and of the database codes, and curves.

    threads: chunks of queries worked on at once; no value depends on it. database: its packed codes, if known.
    """
    database = hasher.encode(dataset.database) if database is None else database
    metrics: dict[str, float] = {}
    curves: dict[str, list[float | None]] = {}
    for prefix, queries in (("val", dataset.validation), ("test", dataset.test)):
        result: RetrievalMetrics = retrieval_metrics(
            hasher.encode(queries),
            queries.labels,
            database,
            dataset.database.labels,
            map_limit(hasher, dataset),
            hasher.config.precision_at,
            threads,
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
    metrics |= code_health(database, hasher.config.code_length)
    metrics["sorter_fidelity"] = _fidelity(hasher, database)
    return metrics, curves


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
    from raw pixels can pass it.
    """
    mean = dataset.training_moments[0].float()
    database = _centred(dataset.database, mean)
    return {
        f"{prefix}_map": cosine_map(_centred(queries, mean), queries.labels, database, dataset.database.labels, k)
        for prefix, queries in (("val", dataset.validation), ("test", dataset.test))
    }


def _centred(split: Split, mean: torch.Tensor) -> npt.NDArray[np.float32]:
    return torch.cat([batch - mean for batch in split.batches()]).numpy()
