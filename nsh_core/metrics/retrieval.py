"""Retrieval metrics of Hamming rankings, chunked over queries: a query-by-database matrix never exists whole."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from nsh_core.codes import PackedCodes, check_packed
from nsh_core.metrics import average_precision
from nsh_core.metrics.hamming import as_words, distances
from nsh_core.metrics.relevance import Labels, Relevance, check_labels

_CHUNK_PAIRS = 4_000_000


@dataclass(frozen=True)
class RetrievalMetrics:
    """Means over queries; precision and recall at k use the order by database index among ties.

    map, map_expected: mAP@k, ties by database index, and expected over random order of ties.
    precision, recall: at `precision_at` ranks; recall over all relevant items of the database.
    precision_radius_2: precision of the items within Hamming distance 2, 0 for a query that has none there.
    curve_precision, curve_recall: [levels] by Hamming radius; precision over the queries that retrieve anything.
    """

    map: float
    map_expected: float
    precision: float
    recall: float
    precision_radius_2: float
    curve_precision: npt.NDArray[np.float64]
    curve_recall: npt.NDArray[np.float64]


def mean_average_precision(
    query_codes: PackedCodes,
    query_labels: Labels,
    database_codes: PackedCodes,
    database_labels: Labels,
    k: int | None = None,
    ties: Literal["index", "expected"] = "index",
) -> float:
    """mAP@k of ranking the database by Hamming distance to each query.

    query_codes uint8 [Q, bytes], database_codes uint8 [N, bytes]: packed codes. Labels [Q] and [N], relevance being
    the same label, or multi-hot [Q, L] and [N, L], relevance being a shared label.
    k: ranks looked at, none or more than N: all. AP divides by the relevant items within the first k (the convention
    of CIBHash and DeepHash-pytorch); a query without any counts 0.
    ties: "index", the conventional stable order by database index, or "expected", the mean over random orders of
    ties (McSherry & Najork 2008; He et al. 2018).
    Returns a value in [0, 1]. Raises ValueError for shapes or values that do not fit.
    """
    if ties not in ("index", "expected"):
        raise ValueError(f"'ties' must be 'index' or 'expected', got {ties!r}")
    pairs = _Pairs(query_codes, query_labels, database_codes, database_labels)
    k = _rank_limit("k", k, pairs.database_size)

    def chunk(part: slice) -> npt.NDArray[np.float64]:
        distance, relevant = pairs.rows(part)
        if ties == "index":
            return average_precision.in_order(_ranked(distance, relevant, k))
        return average_precision.expected(*pairs.histograms(distance, relevant), k)

    return float(np.concatenate(pairs.map(chunk, 1)).mean())


def retrieval_metrics(
    query_codes: PackedCodes,
    query_labels: Labels,
    database_codes: PackedCodes,
    database_labels: Labels,
    k: int | None = None,
    precision_at: int = 100,
    threads: int = 1,
) -> RetrievalMetrics:
    """All retrieval metrics in one pass; arguments as for mean_average_precision, and

    precision_at: k of precision and recall, cut to the size of the database. threads: chunks worked on at once; the
    result does not depend on it.
    """
    pairs = _Pairs(query_codes, query_labels, database_codes, database_labels)
    k = _rank_limit("k", k, pairs.database_size)
    cut = _rank_limit("precision_at", precision_at, pairs.database_size)

    def chunk(part: slice) -> tuple[npt.NDArray[Any], ...]:
        distance, relevant = pairs.rows(part)
        counts, hits = pairs.histograms(distance, relevant)
        ranked = _ranked(distance, relevant, max(k, cut))
        found = ranked[:, :cut].sum(axis=1)
        return (
            average_precision.in_order(ranked[:, :k]),
            average_precision.expected(counts, hits, k),
            found / cut,
            found / np.maximum(hits.sum(axis=1), 1),
            counts.cumsum(axis=1),
            hits.cumsum(axis=1),
        )

    parts = pairs.map(chunk, threads)
    ap, ap_expected, precision, recall, within, hits = (np.concatenate(column) for column in zip(*parts, strict=True))
    by_radius = np.divide(hits, within, out=np.full(hits.shape, np.nan), where=within > 0)
    retrieving = (within > 0).sum(axis=0)
    return RetrievalMetrics(
        map=float(ap.mean()),
        map_expected=float(ap_expected.mean()),
        precision=float(precision.mean()),
        recall=float(recall.mean()),
        precision_radius_2=float(np.nan_to_num(by_radius[:, min(2, by_radius.shape[1] - 1)]).mean()),
        curve_precision=np.divide(
            np.nansum(by_radius, axis=0),
            retrieving,
            out=np.full(len(retrieving), np.nan),
            where=retrieving > 0,
        ),
        curve_recall=(hits / np.maximum(hits[:, -1:], 1)).mean(axis=0),
    )


def _rank_limit(name: str, k: int | None, database_size: int) -> int:
    if k is not None and k < 1:
        raise ValueError(f"'{name}' must be at least 1, got {k}")
    return database_size if k is None else min(k, database_size)


def _ranked(distance: npt.NDArray[np.integer], relevant: npt.NDArray[np.bool_], limit: int) -> npt.NDArray[np.bool_]:
    """Relevance [Q, limit] in order of distance, ties by index."""
    order = distance.argsort(axis=1, kind="stable")[:, :limit]
    return np.take_along_axis(relevant, order, axis=1)


class _Pairs:
    """Distances and relevance of queries against a database, a chunk of queries at a time."""

    def __init__(
        self,
        query_codes: PackedCodes,
        query_labels: Labels,
        database_codes: PackedCodes,
        database_labels: Labels,
    ) -> None:
        check_packed("query_codes", query_codes)
        check_packed("database_codes", database_codes)
        if query_codes.shape[1] != database_codes.shape[1]:
            raise ValueError(
                "'query_codes' and 'database_codes' must have one length, got "
                f"{query_codes.shape[1]} and {database_codes.shape[1]} bytes"
            )
        query_labels, database_labels = np.asarray(query_labels), np.asarray(database_labels)
        check_labels("query_labels", query_labels, len(query_codes))
        check_labels("database_labels", database_labels, len(database_codes))
        self.relevance = Relevance(query_labels, database_labels)
        self.queries, self.database = as_words(query_codes), as_words(database_codes)
        self.levels = 8 * query_codes.shape[1] + 1
        self.database_size = len(database_codes)

    def map(self, work: Callable[[slice], Any], threads: int) -> list[Any]:
        """`work` on every chunk of queries, in order."""
        size = max(1, _CHUNK_PAIRS // self.database_size)
        parts = [slice(start, start + size) for start in range(0, self.queries.shape[1], size)]
        if threads == 1:
            return [work(part) for part in parts]
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(work, parts))

    def rows(self, part: slice) -> tuple[npt.NDArray[np.uint8 | np.uint16], npt.NDArray[np.bool_]]:
        """Distances and relevance [chunk, N]."""
        return distances(self.queries[:, part], self.database), self.relevance.rows(part)

    def histograms(
        self, distance: npt.NDArray[np.integer], relevant: npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Items and relevant items [chunk, levels] at each distance."""
        shape = (len(distance), self.levels)
        cell = distance + (np.arange(len(distance), dtype=np.int32) * self.levels)[:, None]
        return (
            np.bincount(cell.ravel(), minlength=shape[0] * shape[1]).reshape(shape),
            np.bincount(cell[relevant], minlength=shape[0] * shape[1]).reshape(shape),
        )
