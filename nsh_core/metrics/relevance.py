"""Which database items are relevant to a query: same label, or at least one shared label."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.integer | np.bool_]


def check_labels(name: str, labels: Labels, count: int) -> None:
    """Raises ValueError unless labels are whole numbers [count] or multi-hot [count, L]."""
    if labels.ndim not in (1, 2) or len(labels) != count:
        raise ValueError(f"'{name}' must have shape [{count}] or [{count}, L], got {list(labels.shape)}")
    if not (np.issubdtype(labels.dtype, np.integer) or labels.dtype == np.bool_):
        raise ValueError(f"'{name}' must be whole numbers, got {labels.dtype}")
    if labels.ndim == 2 and not np.isin(labels, (0, 1)).all():
        raise ValueError(f"'{name}' of shape [N, L] must be multi-hot, 0 or 1")


class Relevance:
    """Relevance of a database to chunks of queries.

    query_labels [Q] and database_labels [N], or both multi-hot [Q, L] and [N, L].
    Raises ValueError if they are of different kinds.
    """

    def __init__(self, query_labels: Labels, database_labels: Labels) -> None:
        if query_labels.shape[1:] != database_labels.shape[1:]:
            raise ValueError(
                "'query_labels' and 'database_labels' must be of one kind, got "
                f"{list(query_labels.shape)} and {list(database_labels.shape)}"
            )
        self._multi = query_labels.ndim == 2
        self._query = _label_words(query_labels) if self._multi else query_labels
        self._database = _label_words(database_labels) if self._multi else database_labels

    def rows(self, chunk: slice) -> npt.NDArray[np.bool_]:
        """Relevance [chunk, N] of the database to the queries of a chunk."""
        query = self._query[chunk]
        if not self._multi:
            return query[:, None] == self._database[None, :]
        shared = np.zeros((len(query), len(self._database)), bool)
        for word in range(query.shape[1]):
            shared |= (query[:, None, word] & self._database[None, :, word]) != 0
        return shared


def _label_words(labels: Labels) -> npt.NDArray[np.uint64]:
    bits = np.zeros((len(labels), -(-labels.shape[1] // 64) * 64), bool)
    bits[:, : labels.shape[1]] = labels != 0
    return np.packbits(bits, axis=1).view(np.uint64)
