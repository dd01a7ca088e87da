"""Retrieval by the cosine of continuous features: what codes of those features could reach at best."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from nsh_core.metrics.relevance import Labels, Relevance, check_labels

_AT_ONCE = 4_000_000  # similarities worked on
_KEPT = 2**24  # similarities kept of the best


def cosine_map(
    queries: npt.NDArray[np.float32],
    query_labels: Labels,
    database: npt.NDArray[np.float32] | Iterable[npt.NDArray[np.float32]],
    database_labels: Labels,
    k: int | None = None,
) -> float:
    """mAP@k of ranking a database by the cosine of features.

    Args:
        queries: Features [Q, D].
        query_labels: [Q] or multi-hot [Q, L], as for codes.
        database: Features [N, D], or blocks of them, one after another: an iterable that can be gone through again.
        database_labels: [N] or multi-hot [N, L].
        k: Ranks looked at, none or more than N: all.

    Returns:
        A value in [0, 1].

    Raises:
        ValueError: Labels that do not fit.
    """
    blocks = [database] if isinstance(database, np.ndarray) else database
    count = sum(len(block) for block in blocks)
    check_labels("query_labels", query_labels, len(queries))
    check_labels("database_labels", database_labels, count)
    limit = count if k is None else min(k, count)
    relevance = Relevance(query_labels, database_labels)
    values = []
    for group in _parts(len(queries), _KEPT // limit):
        order = _ranked(queries[group], blocks, limit)
        for part in _parts(len(order), _AT_ONCE // limit):
            within = slice(group.start + part.start, group.start + part.stop)
            values.append(_average_precision(relevance.at(within, order[part])))
    return float(np.concatenate(values).mean())


def _parts(count: int, size: int) -> list[slice]:
    starts = range(0, count, max(1, size))
    return [slice(start, min(start + starts.step, count)) for start in starts]


def _ranked(
    queries: npt.NDArray[np.float32], blocks: Iterable[npt.NDArray[np.float32]], limit: int
) -> npt.NDArray[np.int64]:
    """Database items [q, limit] nearest to queries, best first; the best so far are kept from block to block."""
    similarity = np.empty((len(queries), limit), np.float32)
    order = np.empty((len(queries), limit), np.int64)
    done = 0
    for block in blocks:
        units, kept = _unit(block).T, min(limit, done)
        found = min(limit, done + len(block))
        for part in _parts(len(queries), _AT_ONCE // len(block)):
            both = np.concatenate([similarity[part, :kept], _unit(queries[part]) @ units], axis=1)
            if found < both.shape[1]:
                nearest = np.argpartition(-both, found - 1, axis=1)[:, :found]
            else:
                nearest = np.broadcast_to(np.arange(found), both.shape)
            similarity[part, :found] = np.take_along_axis(both, nearest, axis=1)
            earlier = np.take_along_axis(order[part], np.minimum(nearest, limit - 1), axis=1)
            order[part, :found] = np.where(nearest < kept, earlier, nearest + (done - kept))
        done += len(block)
    for part in _parts(len(queries), _AT_ONCE // limit):
        within = np.argsort(-similarity[part], axis=1, kind="stable")
        order[part] = np.take_along_axis(order[part], within, axis=1)
    return order


def _unit(features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)


def _average_precision(relevant: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """AP [Q] of relevance [Q, k] given in ranked order."""
    hits = relevant.cumsum(axis=1, dtype=np.int32)
    total = (hits / np.arange(1, relevant.shape[1] + 1) * relevant).sum(axis=1)
    return np.divide(total, hits[:, -1], out=np.zeros(len(total)), where=hits[:, -1] > 0)
