"""Kinds of indices of packed codes: faiss's flat one, multi-index hashing, HNSW graphs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nsh_core.codes import PackedCodes
from nsh_core.errors import UserError, in_a_line
from nsh_core.registry import nearest

AUTO = "auto"
Found = tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]

_MANY = 1_000_000
_LONGEST_HASHED = 48  # bits; of longer codes neighbours are too far apart for tables
_QUERIES = 64
_LINKS = 32
_CANDIDATES = 128
_CODES_A_LOOKUP = 256  # about as many are compared in the time of one look into a table


def faiss() -> Any:
    """The module faiss, which is imported where it is used.

    Raises:
        UserError: It cannot be imported.
    """
    try:
        import faiss as module
    except ImportError as error:
        raise UserError(
            f"searching needs the package faiss, which cannot be imported ({in_a_line(error)}): pip install '.[search]'"
        ) from None
    return module


def _flat(count: int, bits: int) -> Any:
    return faiss().IndexBinaryFlat(bits)


def _tables(count: int, bits: int) -> Any:
    """As many tables as leave each about log2 N bits (Norouzi et al., Fast Search in Hamming Space, CVPR 2012)."""
    number = max(1, round(bits / math.log2(max(count, 2))))
    return faiss().IndexBinaryMultiHash(bits, number, bits // number)


def _graph(count: int, bits: int) -> Any:
    return faiss().IndexBinaryHNSW(bits, _LINKS)


def _search_all(index: Any, queries: PackedCodes, top: int) -> Found:
    return index.search(queries, top)


def _search_tables(index: Any, queries: PackedCodes, top: int) -> Found:
    """Exactly the items that a flat index finds.

    Codes within distance m (f + 1) - 1 differ in at most f bits in one of m substrings at least, so that looking into
    the tables with up to f bits flipped finds all of them. f grows until they are enough; where that wants more than a
    look for 256 codes, all codes are compared.
    """
    distances, indices = np.empty((len(queries), top), np.int32), np.empty((len(queries), top), np.int64)
    for start in range(0, len(queries), _QUERIES):
        left = np.arange(start, min(start + _QUERIES, len(queries)))
        lookups, flips = index.nhash, 0
        while len(left) and flips <= index.b and lookups * _CODES_A_LOOKUP <= index.ntotal:
            index.nflip = flips
            ends, near, items = index.range_search(queries[left], index.nhash * (flips + 1))
            enough = np.diff(ends.astype(np.int64)) >= top
            for place in np.flatnonzero(enough):
                part = slice(int(ends[place]), int(ends[place + 1]))
                order = np.lexsort((items[part], near[part]))[:top]
                distances[left[place]], indices[left[place]] = near[part][order], items[part][order]
            left, flips = left[~enough], flips + 1
            lookups += index.nhash * math.comb(index.b, flips)
        if len(left):
            distances[left], indices[left] = index.storage.search(queries[left], top)
    return distances, indices


def _search_graph(index: Any, queries: PackedCodes, top: int) -> Found:
    index.hnsw.efSearch = max(_CANDIDATES, top)
    distances, indices = index.search(queries, top)
    distances[indices < 0] = np.iinfo(np.int32).max
    order = np.lexsort((indices, distances), axis=1)
    return np.take_along_axis(distances, order, 1), np.take_along_axis(indices, order, 1)


@dataclass(frozen=True)
class Kind:
    """One kind of index.

    Attributes:
        name: Of the kind.
        words: What it is.
        exact: Whether it finds the nearest, ties in the order of the database.
        make: An empty faiss index for so many codes of so many bits, a multiple of 8.
        search: (index, queries, top) to distances [Q, top] and indices [Q, top], best first, top at most N; where an
            inexact index finds fewer, the index is -1.
    """

    name: str
    words: str
    exact: bool
    make: Callable[[int, int], Any]
    search: Callable[[Any, PackedCodes, int], Found]


_KINDS = {
    kind.name: kind
    for kind in (
        Kind("flat", "every code is compared", True, _flat, _search_all),
        Kind("multihash", "multi-index hashing", True, _tables, _search_tables),
        Kind("hnsw", "a graph of neighbours, HNSW", False, _graph, _search_graph),
    )
}


def kind_named(name: str, count: int, bits: int) -> Kind:
    """A kind of index by name, or the one that suits a database.

    Up to a million codes are compared one by one. Beyond, codes of up to 48 bits are found in tables, longer ones in a
    graph; docs/retrieval.md has what was measured.

    Args:
        name: Of the kind, or "auto".
        count: N, codes of the database.
        bits: K.

    Raises:
        UserError: There is no such kind.
    """
    if name == AUTO:
        name = "flat" if count <= _MANY else "multihash" if bits <= _LONGEST_HASHED else "hnsw"
    if name not in _KINDS:
        known = [AUTO, *_KINDS]
        raise UserError(f"kind of index must be one of {', '.join(known)}, got {name!r}{nearest(name, known)}")
    return _KINDS[name]
