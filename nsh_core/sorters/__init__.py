"""Differentiable sorters by name: build("softsort", temperature=1.0).sort_payload(keys, payload)."""

from __future__ import annotations

import inspect
from typing import Any

from nsh_core import packages
from nsh_core.errors import UserError, naming
from nsh_core.registry import SORTERS, nearest
from nsh_core.sorters.argsort import ArgSort
from nsh_core.sorters.base import Sorter
from nsh_core.sorters.diffsort_networks import BitonicNetwork, OddEvenNetwork
from nsh_core.sorters.hard_forward import HardForward
from nsh_core.sorters.lapsum import LapSum
from nsh_core.sorters.neuralsort import NeuralSort
from nsh_core.sorters.sinkhorn import Sinkhorn
from nsh_core.sorters.softsort import SoftSort
from nsh_core.sorters.torchsort_ranks import TorchSort

__all__ = ["Sorter", "backend", "build", "check", "lacking", "names", "register"]

register = SORTERS.register
names = SORTERS.names

register("softsort", SoftSort)
register("neuralsort", NeuralSort)
register("torchsort", TorchSort)
register("diffsort_odd_even", OddEvenNetwork)
register("diffsort_bitonic", BitonicNetwork)
register("sinkhorn", Sinkhorn)
register("lapsum", LapSum)
register("argsort", ArgSort)


def backend(name: str) -> type[Sorter]:
    """The class behind a name.

    Args:
        name: One of names().

    Raises:
        UserError: There is none.
    """
    return SORTERS[name]


def check(name: str, hard_forward: bool = False, **options: Any) -> None:
    """Looks whether a backend takes some options.

    Args:
        name: One of names().
        hard_forward: As for build.
        options: As for build.

    Raises:
        UserError: There is no such backend, or it has no such option.
    """
    allowed = list(inspect.signature(backend(name)).parameters)
    for option in options:
        if option not in allowed:
            takes = f"{', '.join(allowed) or 'none'}{nearest(option, allowed)}"
            raise UserError(f"sorter {name} has no option {option!r}, it takes: {takes}")
    if hard_forward and backend(name).level_form == "hard":
        raise UserError(f"sorter {name} is hard already: leave hard_forward at false")


def lacking(name: str) -> str:
    """The optional package that a backend needs and this machine lacks, in a line with the command that mends it.

    Args:
        name: One of names().

    Returns:
        The line; empty where nothing is lacking.

    Raises:
        UserError: There is no such backend.
    """
    package = getattr(backend(name), "package", "")
    return packages.lacking(package, f"sorter {name}") if package else ""


def build(name: str, hard_forward: bool = False, **options: Any) -> Sorter:
    """A sorter.

    Args:
        name: One of names().
        hard_forward: The hard list forward, the gradient of the backend backward; see HardForward.
        options: Those of the backend, `temperature` among them.

    Raises:
        UserError: An unknown name or option, a bad value, or a missing package.
    """
    check(name, hard_forward, **options)
    if line := lacking(name):
        raise UserError(line)
    with naming(f"sorter {name!r}"):
        sorter = backend(name)(**options)
    return HardForward(sorter) if hard_forward else sorter
