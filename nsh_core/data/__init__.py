"""Data sets by name: load_dataset("digits"), load_dataset("features:PATH.npz"), load_dataset("cifar10:59k")."""

from __future__ import annotations

from collections.abc import Callable

from nsh_core.data import sources
from nsh_core.data.dataset import Dataset, Split
from nsh_core.data.digits import Digits
from nsh_core.data.features import Features
from nsh_core.data.images import Images
from nsh_core.data.places import locate
from nsh_core.errors import UserError

__all__ = ["DATASETS", "Dataset", "Images", "Split", "load_dataset", "register"]

DATASETS = (
    "digits, features:PATH, cifar10, cifar10:59k, nuswide, mscoco, imagefolder:DIR, list:FILE, and what was registered"
)

_LOADERS: dict[str, Callable[[str], Dataset]] = {}


def register(kind: str, loader: Callable[[str], Dataset]) -> None:
    """Makes "kind" or "kind:ARGUMENT" a data set; the loader gets the argument, or an empty string."""
    _LOADERS[kind] = loader


def load_dataset(name: str) -> Dataset:
    """The data set of that name. Raises UserError if it is unknown or its files do not fit."""
    kind, _, argument = name.partition(":")
    if kind not in _LOADERS:
        raise UserError(f"unknown dataset {name!r}, known: {DATASETS}")
    return _LOADERS[kind](argument)


def _digits(argument: str) -> Dataset:
    if argument:
        raise UserError(f"dataset digits takes no argument, got {argument!r}")
    return Digits()


def _features(argument: str) -> Dataset:
    if not argument:
        raise UserError("dataset features wants a file: features:PATH.npz")
    return Features(argument, locate(argument))


register("digits", _digits)
register("features", _features)
register("cifar10", sources.cifar10)
register("nuswide", sources.nuswide)
register("mscoco", sources.mscoco)
register("imagefolder", sources.image_folder)
register("list", sources.list_file)
