"""Retrieval by the cosine of continuous features: what codes of those features could reach at best."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nsh_core.metrics.relevance import Labels, Relevance, check_labels


def cosine_map(
    queries: npt.NDArray[np.float32],
    query_labels: Labels,
    database: npt.NDArray[np.float32],
    database_labels: Labels,
    k: int | None = None,
) -> float:
    """mAP@k of ranking a database by the cosine of features.

    Args:
        queries: Features [Q, D].
        query_labels: [Q] or multi-hot [Q, L], as for codes.
        database: Features [N, D].
        database_labels: [N] or multi-hot [N, L].
        k: Ranks looked at, none or more than N: all.

    Returns:
        A value in [0, 1].

    Raises:
        ValueError: Labels that do not fit.
    """
    check_labels("query_labels", query_labels, len(queries))
    check_labels("database_labels", database_labels, len(database))
    limit = len(database) if k is None else min(k, len(database))
    relevance = Relevance(query_labels, database_labels)
    unit_database = _unit(database).T
    values = []
    size = max(1, 4_000_000 // len(database))
    for start in range(0, len(queries), size):
        part = slice(start, start + size)
        similarity = _unit(queries[part]) @ unit_database
        if limit < len(database):
            nearest = np.argpartition(-similarity, limit - 1, axis=1)[:, :limit]
        else:
            nearest = np.broadcast_to(np.arange(limit), similarity.shape)
        within = np.argsort(-np.take_along_axis(similarity, nearest, axis=1), axis=1, kind="stable")
        order = np.take_along_axis(nearest, within, axis=1)
        values.append(_average_precision(np.take_along_axis(relevance.rows(part), order, axis=1)))
    return float(np.concatenate(values).mean())


def _unit(features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)


def _average_precision(relevant: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """AP [Q] of relevance [Q, k] given in ranked order."""
    hits = relevant.cumsum(axis=1, dtype=np.int32)
    total = (hits / np.arange(1, relevant.shape[1] + 1) * relevant).sum(axis=1)
    return np.divide(total, hits[:, -1], out=np.zeros(len(total)), where=hits[:, -1] > 0)
