"""Data sets by name: load_dataset("digits"), load_dataset("features:PATH.npz")."""

from __future__ import annotations

from collections.abc import Callable

from nsh_core.data.dataset import Dataset, Split
from nsh_core.data.digits import Digits
from nsh_core.data.features import Features
from nsh_core.errors import UserError

__all__ = ["Dataset", "Split", "load_dataset", "register"]

_LOADERS: dict[str, Callable[[str], Dataset]] = {}


def register(kind: str, loader: Callable[[str], Dataset]) -> None:
    """Makes "kind" or "kind:ARGUMENT" a data set; the loader gets the argument, or an empty string."""
    _LOADERS[kind] = loader


def load_dataset(name: str) -> Dataset:
    """The data set of that name. Raises UserError if it is unknown or its files do not fit."""
    kind, _, argument = name.partition(":")
    if kind not in _LOADERS:
        raise UserError(f"unknown dataset {name!r}, known kinds: {', '.join(_LOADERS)} (digits, features:PATH.npz)")
    return _LOADERS[kind](argument)


def _digits(argument: str) -> Dataset:
    if argument:
        raise UserError(f"dataset digits takes no argument, got {argument!r}")
    return Digits()


def _features(argument: str) -> Dataset:
    if not argument:
        raise UserError("dataset features wants a file: features:PATH.npz")
    return Features(argument)


register("digits", _digits)
register("features", _features)
