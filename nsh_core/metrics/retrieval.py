"""Retrieval metrics of Hamming rankings, query by query: no matrix of queries by database ever exists."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from nsh_core.codes import PackedCodes, check_packed
from nsh_core.metrics.hamming import Words, as_words
from nsh_core.metrics.relevance import Labels, Relevance, check_labels

_CHUNK_PAIRS = 4_000_000
_SMALL_PART = 8  # k up to N / 8: one pass with a limit; measured, beyond it multi-hot labels make it the slower one


@dataclass(frozen=True)
class RetrievalMetrics:
    """Means over queries; precision and recall at k use the order by database index among ties.

    Attributes:
        map: mAP@k, ties by database index.
        map_expected: mAP@k, expected over random order of ties.
        map_all: mAP over the whole database, ties by database index.
        map_all_expected: mAP over the whole database, expected over random order of ties.
        precision: At `precision_at` ranks.
        recall: At `precision_at` ranks, over all relevant items of the database.
        precision_radius_2: Precision of the items within Hamming distance 2, 0 for a query that has none there.
        curve_precision: [levels] by Hamming radius, over the queries that retrieve anything; NaN where none does.
        curve_recall: [levels] by Hamming radius.
        ap: AP@k of each query [Q], ties by database index; `map` is its mean.
    """

    map: float
    map_expected: float
    map_all: float
    map_all_expected: float
    precision: float
    recall: float
    precision_radius_2: float
    curve_precision: npt.NDArray[np.float64]
    curve_recall: npt.NDArray[np.float64]
    ap: npt.NDArray[np.float64]


def mean_average_precision(
    query_codes: PackedCodes,
    query_labels: Labels,
    database_codes: PackedCodes,
    database_labels: Labels,
    k: int | None = None,
    ties: Literal["index", "expected"] = "index",
) -> float:
    """mAP@k of ranking the database by Hamming distance to each query.

    AP divides by the relevant items within the first k (the convention of CIBHash and DeepHash-pytorch); a query
    without any counts 0.

    Args:
        query_codes: Packed codes, uint8 [Q, bytes].
        query_labels: [Q] or [Q, 1], relevance being the same label, or multi-hot [Q, L], relevance being a shared one.
        database_codes: Packed codes, uint8 [N, bytes].
        database_labels: [N], or multi-hot [N, L].
        k: Ranks looked at, none or more than N: all.
        ties: "index", the conventional stable order by database index, or "expected", the mean over random orders of
            ties (McSherry & Najork 2008; He et al. 2018).

    Returns:
        A value in [0, 1].

    Raises:
        ValueError: Shapes or values that do not fit.
    """
    if ties not in ("index", "expected"):
        raise ValueError(f"'ties' must be 'index' or 'expected', got {ties!r}")
    pairs = _Pairs(query_codes, query_labels, database_codes, database_labels)
    k = _rank_limit("k", k, pairs.database_size)

    def chunk(part: slice) -> npt.NDArray[np.float64]:
        if ties == "index":
            return pairs.average_precision(part, k)
        counts, hits, _, _, _ = pairs.count(part, k, 0, 0)
        return pairs.expected(counts, hits, k)

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
    """All retrieval metrics in one pass.

    Args:
        query_codes: As for mean_average_precision.
        query_labels: As for mean_average_precision.
        database_codes: As for mean_average_precision.
        database_labels: As for mean_average_precision.
        k: As for mean_average_precision.
        precision_at: k of precision and recall, cut to the size of the database.
        threads: Chunks worked on at once; the result does not depend on it.

    Raises:
        ValueError: Shapes or values that do not fit.
    """
    pairs = _Pairs(query_codes, query_labels, database_codes, database_labels)
    k = _rank_limit("k", k, pairs.database_size)
    cut = _rank_limit("precision_at", precision_at, pairs.database_size)

    def chunk(part: slice) -> tuple[dict[str, npt.NDArray[np.float64]], npt.NDArray[np.float64]]:
        counts, hits, ap, ap_all, found = pairs.count(part, k, cut, pairs.database_size)
        within, hits_within = counts.cumsum(axis=1), hits.cumsum(axis=1)
        relevant = np.maximum(hits_within[:, -1], 1)
        by_radius = np.divide(hits_within, within, out=np.zeros(within.shape), where=within > 0)
        scalars = {
            "map": ap,
            "map_expected": pairs.expected(counts, hits, k),
            "map_all": ap_all,
            "map_all_expected": pairs.expected(counts, hits, pairs.database_size),
            "precision": found / cut,
            "recall": found / relevant,
            "precision_radius_2": by_radius[:, min(2, by_radius.shape[1] - 1)],
        }
        curves = by_radius, within > 0, hits_within / relevant[:, None]
        return scalars, np.array([curve.sum(axis=0) for curve in curves])

    parts = pairs.map(chunk, threads)
    by_query = {name: np.concatenate([scalars[name] for scalars, _ in parts]) for name in parts[0][0]}
    precision, retrieving, recall = sum(curves for _, curves in parts)
    return RetrievalMetrics(
        **{name: float(values.mean()) for name, values in by_query.items()},
        curve_precision=np.divide(precision, retrieving, out=np.full(len(retrieving), np.nan), where=retrieving > 0),
        curve_recall=recall / len(query_codes),
        ap=by_query["map"],
    )


def nearest(query_codes: PackedCodes, database_codes: PackedCodes, k: int) -> list[list[int]]:
    """The k nearest database items of each query.

    Args:
        query_codes: Packed codes, uint8 [Q, bytes].
        database_codes: Packed codes, uint8 [N, bytes].
        k: How many; more than N: all.

    Returns:
        Of each query their indices, best first, ties by index.
    """
    found = []
    for code in query_codes:
        distances = np.bitwise_count(code ^ database_codes).sum(axis=1, dtype=np.uint16)
        found.append(np.argsort(distances, kind="stable")[:k].tolist())
    return found


def _rank_limit(name: str, k: int | None, database_size: int) -> int:
    if k is not None and k < 1:
        raise ValueError(f"'{name}' must be at least 1, got {k}")
    return database_size if k is None else min(k, database_size)


class _Pairs:
    """Codes and labels of queries and a database as words, worked on a chunk of queries at a time."""

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
        # numba takes as long as the rest of the package, and many that import it compare no codes.
        from nsh_core.metrics import average_precision, counting, first_ranks

        self._expected, self._histograms = average_precision.expected, counting.histograms
        self._average_precision_at = first_ranks.average_precision_at
        self._harmonic = average_precision.harmonic_numbers(self.database_size)

    def map(self, work: Callable[[slice], Any], threads: int) -> list[Any]:
        """`work` on every chunk of queries, in order."""
        size = max(1, _CHUNK_PAIRS // self.database_size)
        parts = [slice(start, start + size) for start in range(0, self.queries.shape[1], size)]
        if threads == 1:
            return [work(part) for part in parts]
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(work, parts))

    def count(self, part: slice, k: int, cut: int, most_ranks: int) -> tuple[npt.NDArray[Any], ...]:
        """What `counting.histograms` gives for a chunk of queries."""
        return self._histograms(*self._of(part), k, cut, most_ranks)

    def average_precision(self, part: slice, k: int) -> npt.NDArray[np.float64]:
        """AP@k of a chunk of queries, ties by index, in the faster way."""
        if k <= self.database_size // _SMALL_PART:
            return self._average_precision_at(*self._of(part), k)
        return self.count(part, k, 0, k)[2]

    def expected(self, counts: npt.NDArray[np.int64], hits: npt.NDArray[np.int64], k: int) -> npt.NDArray[np.float64]:
        """What `average_precision.expected` gives for them."""
        return self._expected(counts, hits, k, self._harmonic)

    def _of(self, part: slice) -> tuple[Words, Words, Words, Words, bool, int]:
        """A chunk of queries and the database, as the compiled loops take them."""
        relevance = self.relevance
        queries = self.queries[:, part], relevance.query[:, part]
        return *queries, self.database, relevance.database, relevance.multi, self.levels
