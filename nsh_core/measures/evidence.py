"""What a run leaves to be measured, and taking its measures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cached_property
from math import isfinite
from typing import SupportsFloat

from nsh_core.codes import PackedCodes
from nsh_core.data import Dataset, Split
from nsh_core.errors import UserError, naming
from nsh_core.hasher import Hasher
from nsh_core.measures.entry import measures
from nsh_core.metrics import CodeHealth, RetrievalMetrics, code_health, retrieval_metrics


class TestQueries(UserError):
    """A measure looked at test queries, of a run that leaves them alone."""

    __test__ = False  # no test of pytest's


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
        test: Whether test queries may be looked at.
    """

    def __init__(
        self,
        hasher: Hasher,
        dataset: Dataset,
        database: PackedCodes,
        losses: dict[str, float] | None = None,
        threads: int = 1,
        test: bool = True,
    ) -> None:
        self.hasher, self.dataset, self.database = hasher, dataset, database
        self.losses = losses or {}
        self._threads, self._test, self._blind = threads, test, False

    @property
    def map_at(self) -> int | None:
        """The k of mAP@k: the config's, else the data set's; none for the whole database."""
        config = self.hasher.config
        return self.dataset.default_map_at if config.map_at is None else config.map_at

    @property
    def validation(self) -> RetrievalMetrics:
        """Retrieval of the validation queries.

        Raises:
            UserError: Labels may not be looked at.
        """
        self._check()
        return self._validation

    @property
    def test(self) -> RetrievalMetrics:
        """Retrieval of the test queries.

        Raises:
            UserError: Labels may not be looked at.
            TestQueries: Test queries may not be looked at.
        """
        self._check(test=True)
        return self._of_test

    @property
    def test_codes(self) -> PackedCodes:
        """Packed codes of the test queries, uint8 [Q, ceil(K / 8)].

        Raises:
            UserError: Labels may not be looked at.
            TestQueries: Test queries may not be looked at.
        """
        self._check(test=True)
        return self._test_codes

    @cached_property
    def health(self) -> CodeHealth:
        """Health of the database codes; see nsh_core.metrics.health."""
        return code_health(self.database, self.hasher.config.code_length)

    @contextmanager
    def without_labels(self) -> Iterator[None]:
        """Refuses whoever looks at labels or test queries meanwhile.

        Yields:
            Nothing; the block takes a measure that says that it needs none.
        """
        self._blind = True
        try:
            yield
        finally:
            self._blind = False

    def _check(self, test: bool = False) -> None:
        if self._blind:
            raise UserError("a measure without needs_labels may look at neither labels nor test queries")
        if test and not self._test:
            raise TestQueries("test queries may not be looked at")

    @cached_property
    def _validation(self) -> RetrievalMetrics:
        return self._retrieval(self.dataset.validation, self.hasher.encode(self.dataset.validation))

    @cached_property
    def _of_test(self) -> RetrievalMetrics:
        return self._retrieval(self.dataset.test, self._test_codes)

    @cached_property
    def _test_codes(self) -> PackedCodes:
        return self.hasher.encode(self.dataset.test)

    def _retrieval(self, queries: Split, codes: PackedCodes) -> RetrievalMetrics:
        config, database = self.hasher.config, self.dataset.database
        return retrieval_metrics(
            codes, queries.labels, self.database, database.labels, self.map_at, config.precision_at, self._threads
        )


def taken(evidence: Evidence) -> dict[str, float]:
    """Takes every measure that applies; none of test queries where these may not be looked at.

    Args:
        evidence: Of the run.

    Returns:
        Values by name, finite ones.

    Raises:
        UserError: One fails, or gives no number; the message names it.
    """
    values = {}
    for one in measures():
        if one.compute is None:
            continue
        with naming(f"measure {one.name!r}"):
            try:
                with nullcontext() if one.needs_labels else evidence.without_labels():
                    value = one.compute(evidence)
            except TestQueries:
                continue
            except UserError as error:
                raise UserError(f"measure {one.name!r}: {error}") from None
            if value is not None and not isinstance(value, SupportsFloat):
                raise UserError(f"measure {one.name!r} must give a number or None, got {value!r}")
            if value is not None and isfinite(value):
                values[one.name] = float(value)
    return values
