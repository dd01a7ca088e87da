"""What a run leaves to be measured."""

from __future__ import annotations

from functools import cached_property

from nsh_core.codes import PackedCodes
from nsh_core.data import Dataset, Split
from nsh_core.errors import UserError
from nsh_core.hasher import Hasher
from nsh_core.metrics import CodeHealth, RetrievalMetrics, code_health, retrieval_metrics


class Evidence:
    """What a measure may look at; everything is computed when it is first asked for.

    Attributes:
        hasher: The trained hasher.
        dataset: The data set.
        database: Packed codes of the database, uint8 [N, ceil(K / 8)].
        losses: Final mean of each loss term by name; empty for a method without any.

    Args:
        hasher: See above.
        dataset: See above.
        database: See above.
        losses: See above.
        threads: Chunks of queries worked on at once; no value depends on it.
        labels: Whether labels and test queries may be looked at.
    """

    def __init__(
        self,
        hasher: Hasher,
        dataset: Dataset,
        database: PackedCodes,
        losses: dict[str, float] | None = None,
        threads: int = 1,
        labels: bool = True,
    ) -> None:
        self.hasher, self.dataset, self.database = hasher, dataset, database
        self.losses = losses or {}
        self._threads, self._labels = threads, labels

    @property
    def map_at(self) -> int | None:
        """The k of mAP@k: the config's, else the data set's; none for the whole database."""
        config = self.hasher.config
        return self.dataset.default_map_at if config.map_at is None else config.map_at

    @cached_property
    def validation(self) -> RetrievalMetrics:
        """Retrieval of the validation queries.

        Raises:
            UserError: Labels and test queries may not be looked at.
        """
        return self._retrieval(self.dataset.validation, self.hasher.encode(self.dataset.validation))

    @cached_property
    def test(self) -> RetrievalMetrics:
        """Retrieval of the test queries.

        Raises:
            UserError: Labels and test queries may not be looked at.
        """
        return self._retrieval(self.dataset.test, self.test_codes)

    @cached_property
    def test_codes(self) -> PackedCodes:
        """Packed codes of the test queries, uint8 [Q, ceil(K / 8)].

        Raises:
            UserError: Labels and test queries may not be looked at.
        """
        self._check()
        return self.hasher.encode(self.dataset.test)

    @cached_property
    def health(self) -> CodeHealth:
        """Health of the database codes; see nsh_core.metrics.health."""
        return code_health(self.database, self.hasher.config.code_length)

    def _check(self) -> None:
        if not self._labels:
            raise UserError("a measure without needs_labels may look at neither labels nor test queries")

    def _retrieval(self, queries: Split, codes: PackedCodes) -> RetrievalMetrics:
        self._check()
        config, database = self.hasher.config, self.dataset.database
        return retrieval_metrics(
            codes, queries.labels, self.database, database.labels, self.map_at, config.precision_at, self._threads
        )
