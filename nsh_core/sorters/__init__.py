"""Differentiable sorters by name: build("softsort", temperature=1.0).sort_payload(keys, payload)."""

from __future__ import annotations

import inspect
from typing import Any

from nsh_core.errors import UserError
from nsh_core.sorters.argsort import ArgSort
from nsh_core.sorters.base import Sorter
from nsh_core.sorters.diffsort_networks import BitonicNetwork, OddEvenNetwork
from nsh_core.sorters.neuralsort import NeuralSort
from nsh_core.sorters.sinkhorn import Sinkhorn
from nsh_core.sorters.softsort import SoftSort
from nsh_core.sorters.torchsort_ranks import TorchSort

__all__ = ["Sorter", "backend", "build", "check", "names", "register"]

_BACKENDS: dict[str, type[Sorter]] = {}


def register(name: str, backend: type[Sorter]) -> None:
    """Makes a backend known by name, to configs and studies too. Raises ValueError if the name is taken."""
    if _BACKENDS.setdefault(name, backend) is not backend:
        raise ValueError(f"sorter {name!r} is already {_BACKENDS[name].__name__}")


def names() -> list[str]:
    """The registered backends."""
    return list(_BACKENDS)


def backend(name: str) -> type[Sorter]:
    """The class behind a name. Raises UserError if there is none."""
    if name not in _BACKENDS:
        raise UserError(f"unknown sorter {name!r}, known: {', '.join(names())}")
    return _BACKENDS[name]


def check(name: str, **options: Any) -> None:
    """Raises UserError unless the backend exists and takes these options."""
    allowed = list(inspect.signature(backend(name)).parameters)
    for option in options:
        if option not in allowed:
            raise UserError(f"sorter {name} has no option {option!r}, it takes: {', '.join(allowed) or 'none'}")


def build(name: str, **options: Any) -> Sorter:
    """A sorter. Raises UserError for an unknown name or option, a bad value, or a missing package."""
    check(name, **options)
    return backend(name)(**options)


register("softsort", SoftSort)
register("neuralsort", NeuralSort)
register("torchsort", TorchSort)
register("diffsort_odd_even", OddEvenNetwork)
register("diffsort_bitonic", BitonicNetwork)
register("sinkhorn", Sinkhorn)
register("argsort", ArgSort)
