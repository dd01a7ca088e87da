"""Claims of trials from a queue."""

from __future__ import annotations

import importlib
from functools import partial

from benchmarks.cases.case import Case
from benchmarks.measure import Seconds

_CLIENTS, _FINISHED = 16, 100


def claim_cases(quick: bool) -> list[Case]:
    """Seconds a claim, of trials that 16 clients take from one PostgreSQL together.

    Args:
        quick: Whether fewer have to do.
    """
    waiting = 64 if quick else 400
    return [Case("claim_postgresql", _CLIENTS, partial(_claims, waiting), here=False)]


def _claims(waiting: int) -> Seconds:
    # Not imported above: storage is opened in forks, which want to begin with little.
    storage = importlib.import_module("benchmarks.storage")
    return Seconds(1 / storage.claims_a_second("postgresql", _CLIENTS, waiting, _FINISHED))
