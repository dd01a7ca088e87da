"""Which database items are relevant to a query: same label, or at least one shared label."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.integer | np.bool_]


def one_label_each(labels: Labels) -> Labels:
    """Labels in a single column [N, 1] as [N]: they are one label each, and no multi-hot of one class.

    Args:
        labels: Of any shape; others stay as they are.
    """
    return labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels


def check_labels(name: str, labels: Labels, count: int) -> None:
    """Looks whether labels are of a shape and type that relevance knows.

    Args:
        name: What the message calls them.
        labels: Whole numbers [count], or multi-hot [count, L].
        count: How many items they are of.

    Raises:
        ValueError: They are not.
    """
    if labels.ndim not in (1, 2) or len(labels) != count or labels.shape[1:] == (0,):
        raise ValueError(f"'{name}' must have shape [{count}] or [{count}, L], got {list(labels.shape)}")
    if not (np.issubdtype(labels.dtype, np.integer) or labels.dtype == np.bool_):
        raise ValueError(f"'{name}' must be whole numbers, got {labels.dtype}")
    if one_label_each(labels).ndim == 2 and not np.isin(labels, (0, 1)).all():
        raise ValueError(f"'{name}' of shape [N, L] must be multi-hot, 0 or 1")


class Relevance:
    """Relevance of a database to queries.

    Args:
        query_labels: [Q], or multi-hot [Q, L]; of a single column one label each.
        database_labels: [N], or multi-hot [N, L].

    Attributes:
        multi: Whether labels are multi-hot.
        query: Labels of the queries, uint64 [words, Q].
        database: Labels of the database, uint64 [words, N].

    Raises:
        ValueError: The labels are of different kinds.
    """

    def __init__(self, query_labels: Labels, database_labels: Labels) -> None:
        query_labels, database_labels = one_label_each(query_labels), one_label_each(database_labels)
        if query_labels.shape[1:] != database_labels.shape[1:]:
            raise ValueError(
                "'query_labels' and 'database_labels' must be of one kind, got "
                f"{list(query_labels.shape)} and {list(database_labels.shape)}"
            )
        self.multi = query_labels.ndim == 2
        self.query = _label_words(query_labels)
        self.database = _label_words(database_labels)

    def rows(self, chunk: slice) -> npt.NDArray[np.bool_]:
        """Relevance [chunk, N] of the database to the queries of a chunk."""
        return self._of(self.query[:, chunk], self.database[:, None, :])

    def at(self, chunk: slice, index: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Relevance [chunk, k] of some database items to the queries of a chunk.

        Args:
            chunk: Of the queries.
            index: [chunk, k] of the items, for each query.
        """
        return self._of(self.query[:, chunk], self.database[:, index])

    def _of(self, query: npt.NDArray[np.uint64], database: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        """Relevance of database items [words, 1 or q, n] to queries [words, q]."""
        if not self.multi:
            return query[0, :, None] == database[0]
        shared = np.zeros((query.shape[1], database.shape[2]), bool)
        for query_word, database_word in zip(query, database, strict=True):
            shared |= (query_word[:, None] & database_word) != 0
        return shared


def _label_words(labels: Labels) -> npt.NDArray[np.uint64]:
    """Labels [N] as words [1, N], or multi-hot labels [N, L] as bits of words [ceil(L / 64), N]."""
    if labels.ndim == 1:
        return labels.astype(np.int64).view(np.uint64)[None]
    bits = np.zeros((len(labels), -(-labels.shape[1] // 64) * 64), bool)
    bits[:, : labels.shape[1]] = labels != 0
    return np.ascontiguousarray(np.packbits(bits, axis=1).view(np.uint64).T)
