"""Differentiable sorters by name: build("softsort", temperature=1.0).sort_payload(keys, payload)."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

from nsh_core import packages
from nsh_core.errors import UserError, naming
from nsh_core.registry import SORTERS, called, nearest
from nsh_core.sorters.argsort import ArgSort
from nsh_core.sorters.base import FirstRanks, Sorter
from nsh_core.sorters.blackbox import BlackBox
from nsh_core.sorters.dftopk import DFTopK
from nsh_core.sorters.diffsort_networks import BitonicNetwork, OddEvenNetwork
from nsh_core.sorters.hard_forward import HardForward, HardMasks
from nsh_core.sorters.lapsum import LapSum
from nsh_core.sorters.neuralsort import NeuralSort
from nsh_core.sorters.sinkhorn import Sinkhorn
from nsh_core.sorters.softsort import SoftSort
from nsh_core.sorters.torchsort_ranks import TorchSort

__all__ = [
    "FirstRanks",
    "Sorter",
    "backend",
    "build",
    "build_masks",
    "check",
    "lacking",
    "names",
    "register",
    "sorts_lists",
]

register = SORTERS.register
names = SORTERS.names


def _check(name: str, entry: Any) -> None:
    """Raises ValueError for what is no sorter."""
    if not (isinstance(entry, type) and issubclass(entry, FirstRanks)):
        raise ValueError(f"sorter {name!r} must be a subclass of Sorter or of FirstRanks, got {called(entry)}")


SORTERS.demand(_check)
register("softsort", SoftSort)
register("neuralsort", NeuralSort)
register("torchsort", TorchSort)
register("diffsort_odd_even", OddEvenNetwork)
register("diffsort_bitonic", BitonicNetwork)
register("sinkhorn", Sinkhorn)
register("lapsum", LapSum)
register("blackbox", BlackBox)
register("dftopk", DFTopK)
register("argsort", ArgSort)


def backend(name: str) -> type[FirstRanks]:
    """The class behind a name: a Sorter, or one of masks alone.

    Args:
        name: One of names().

    Raises:
        UserError: There is none.
    """
    return SORTERS[name]


def sorts_lists(name: str) -> bool:
    """Whether a backend sorts a list; one that does not gives masks of first ranks alone.

    Args:
        name: One of names().

    Raises:
        UserError: There is none.
    """
    return issubclass(backend(name), Sorter)


def check(name: str, hard_forward: bool = False, **options: Any) -> None:
    """Looks whether a backend takes some options.

    Args:
        name: One of names().
        hard_forward: As for build.
        options: As for build.

    Raises:
        UserError: There is no such backend, it has no such option, or another value of it.
    """
    allowed = _parameters(backend(name))
    for option in options:
        if option not in allowed:
            takes = f"{', '.join(allowed) or 'none'}{nearest(option, allowed)}"
            raise UserError(f"sorter {name} has no option {option!r}, it takes: {takes}")
    if hard_forward and backend(name).level_form == "hard":
        raise UserError(f"sorter {name} is hard already: leave hard_forward at false")
    if not lacking(name):
        _constructed(name, options)


@cache
def _parameters(kind: type) -> list[str]:
    """What a backend takes; asked of every config that is read."""
    return list(inspect.signature(kind).parameters)


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
        name: One of names() that sorts a list.
        hard_forward: The hard list forward, the gradient of the backend backward; see HardForward.
        options: Those of the backend, `temperature` among them.

    Raises:
        UserError: An unknown name or option, a bad value, a missing package, or a backend of masks alone.
    """
    sorter = _made(name, hard_forward, options)
    if not isinstance(sorter, Sorter):
        raise UserError(f"sorter {name} gives masks of first ranks and sorts no list: take build_masks, or another")
    return HardForward(sorter) if hard_forward else sorter


def build_masks(name: str, hard_forward: bool = False, **options: Any) -> FirstRanks:
    """What gives masks of first ranks: any backend, one that sorts no list too.

    Args:
        name: One of names().
        hard_forward: Hard masks forward, the gradient of the backend backward; see HardMasks.
        options: As for build.

    Raises:
        UserError: An unknown name or option, a bad value, or a missing package.
    """
    masks = _made(name, hard_forward, options)
    return HardMasks(masks) if hard_forward else masks


def _made(name: str, hard_forward: bool, options: dict[str, Any]) -> FirstRanks:
    check(name, hard_forward, **options)
    if line := lacking(name):
        raise UserError(line)
    return _constructed(name, options)


def _constructed(name: str, options: dict[str, Any]) -> FirstRanks:
    with naming(f"sorter {name!r}"):
        return backend(name)(**options)
