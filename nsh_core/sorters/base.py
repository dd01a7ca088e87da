"""What every sorter backend offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cache
from typing import ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from nsh_core.errors import UserError
from nsh_core.registry import nearest
from nsh_core.sorters.kernel import Kernel
from nsh_core.sorters.levels import Ranked


class FirstRanks(ABC):
    """Says who is among the first m ranks of descending keys, differentiably: all that masked_nce asks for.

    Keys and temperature share a unit. The trainer feeds keys in bits (the number of agreeing bits, K times the
    similarity S of Yu et al. 2022), so that a temperature of 1 is one bit of Hamming distance, 1/K on S, for
    every backend and every code length.

    Attributes:
        paper: Where it was published; empty for what needs no paper.
        default_temperature: Suits keys in bits.
        search_range: Least and largest temperature worth trying (log scale), for keys in bits.
        level_form: How it takes keys that are whole numbers: "masks" where it gives masks alone and no list; of a
            Sorter, what sort_levels does.
        package: That it is built on, where it is an optional one; else empty.

    Args:
        temperature: Positive; none: default_temperature.

    Raises:
        UserError: An option that is not allowed.
    """

    paper: ClassVar[str] = ""
    default_temperature: ClassVar[float]
    search_range: ClassVar[tuple[float, float]]
    level_form: ClassVar[str] = "masks"
    package: ClassVar[str] = ""

    def __init__(self, temperature: float | None = None) -> None:
        self.temperature = positive("temperature", self.default_temperature if temperature is None else temperature)

    @abstractmethod
    def first(self, keys: Tensor, counts: Sequence[int]) -> Tensor:
        """Soft masks of the items at the first ranks.

        Args:
            keys: [B, n].
            counts: How many ranks each mask holds, from 0 to n.

        Returns:
            [B, masks, n], from 0 to 1; a Sorter's mask of m ranks sums to m.

        Raises:
            ValueError: Keys are not floats of shape [B, n].
        """


class Sorter(FirstRanks):
    """Sorts rows by descending keys, differentiably.

    Attributes:
        level_form: What sort_levels does: "levels" (counts and sums per Hamming distance), "network" or "hard", and
            "dense" where a backend has nothing better than the permutation.
    """

    level_form = "dense"

    @abstractmethod
    def permutation(self, keys: Tensor) -> Tensor:
        """Soft permutation of the items of each row.

        Args:
            keys: [B, n].

        Returns:
            [B, n, n]: row j says who stands at rank j; rows sum to 1.

        Raises:
            ValueError: Keys are not floats of shape [B, n].
        """

    def sort_payload(self, keys: Tensor, payload: Tensor) -> Tensor:
        """The payload in the order of descending keys: permutation(keys) @ payload.

        Args:
            keys: [B, n].
            payload: [B, n].

        Returns:
            [B, n].

        Raises:
            ValueError: Keys and payload have not the same shape [B, n].
        """
        check_rows(keys, payload)
        return torch.einsum("bjk,bk->bj", _square(self.permutation(keys), keys), payload)

    @override
    def first(self, keys: Tensor, counts: Sequence[int]) -> Tensor:
        """Sums over the first rows of the permutation; see FirstRanks.first."""
        rows = torch.nn.functional.pad(_square(self.permutation(keys), keys).cumsum(dim=1), (0, 0, 1, 0))
        return torch.stack([rows[:, count] for count in counts], dim=1)

    def sort_levels(self, keys: Tensor, payload: Tensor, levels: int) -> Ranked:
        """sort_payload for keys that are whole numbers of agreeing bits.

        Where `level_form` is "levels", gradients are the expectation of those of sort_payload over a random order of
        ties.

        Args:
            keys: [B, n], whole numbers from 0 to K.
            payload: [B, n].
            levels: K + 1.

        Returns:
            The sorted payload, by ranks or by runs of equal ones.

        Raises:
            ValueError: As sort_payload.
        """
        return Ranked(self.sort_payload(keys, payload))

    def kernel(self, codes: Tensor) -> Kernel | None:
        """SortedNCE by this sorter, compiled for the CPU: what sort_levels and the loss give, in one pass.

        Args:
            codes: Of the items, [..., n, K], float32 or float64.

        Returns:
            None where there is none for them or its settings: the loss is then taken of sort_levels.
        """
        return None

    def kernel_for(self, codes: Tensor) -> Kernel | None:
        """The kernel where it fits: on the CPU, and not of a class above the one that says how to sort.

        Args:
            codes: Of the items, [..., n, K].
        """
        fits = codes.device.type == "cpu" and codes.dtype in (torch.float32, torch.float64)
        return self.kernel(codes) if fits and _speaks_for_itself(type(self)) else None


@cache
def _speaks_for_itself(kind: type[Sorter]) -> bool:
    """Whether the class that says how a kind sorts also says what is compiled of it."""
    ways = ("kernel", "permutation", "sort_payload", "sort_levels")
    return "kernel" in vars(next(above for above in kind.__mro__ if any(way in vars(above) for way in ways)))


def check_rows(keys: Tensor, payload: Tensor | None = None) -> None:
    """Looks whether rows can be sorted.

    Args:
        keys: Floats [B, n], n >= 1.
        payload: Of the shape of the keys, if there is one.

    Raises:
        ValueError: They are not of that type and shape.
    """
    if keys.ndim != 2 or keys.shape[1] == 0 or not keys.is_floating_point():
        raise ValueError(f"'keys' must be floats of shape [B, n], n >= 1, got {keys.dtype} {list(keys.shape)}")
    if payload is not None and payload.shape != keys.shape:
        raise ValueError(f"'payload' must have the shape of 'keys', got {list(payload.shape)} for {list(keys.shape)}")


def _square(permutation: Tensor, keys: Tensor) -> Tensor:
    """What a backend gave for keys [B, n]; ValueError where that is no [B, n, n]."""
    rows, n = keys.shape
    got = list(permutation.shape) if isinstance(permutation, Tensor) else type(permutation).__name__
    if got != [rows, n, n]:
        raise ValueError(f"permutation must return [rows, n, n], here {[rows, n, n]}, got {got}")
    return permutation


def positive(name: str, value: float) -> float:
    """The value of an option that must be a positive finite number.

    Args:
        name: Of the option.
        value: As given.

    Returns:
        The value as a float.

    Raises:
        UserError: It is no such number.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
        raise UserError(f"sorter {name} must be a positive number, got {value!r}")
    return float(value)


def one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    """The value of an option that has a few allowed ones.

    Args:
        name: Of the option.
        value: As given.
        allowed: The values it may have.

    Returns:
        The value.

    Raises:
        UserError: It is not among them.
    """
    if value not in allowed:
        near = nearest(str(value), allowed)
        raise UserError(f"sorter {name} must be one of {', '.join(allowed)}, got {value!r}{near}")
    return value
