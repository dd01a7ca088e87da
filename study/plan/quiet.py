"""Keeps Optuna from telling of studies that are this project's own affair."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import optuna


@contextmanager
def quiet() -> Iterator[None]:
    """Optuna says nothing below a warning; the verbosity that a user chose is back afterwards.

    Yields:
        Nothing; the block may make studies.
    """
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(max(before, optuna.logging.WARNING))
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
