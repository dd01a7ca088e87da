"""What every sorter backend offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from nsh_core.errors import UserError
from nsh_core.sorters.levels import Ranked


class Sorter(ABC):
    """Sorts rows by descending keys, differentiably.

    Keys and temperature share a unit. Training feeds keys in bits (the number of agreeing bits, K times the similarity
    S of Yu et al. 2022), so that a temperature of 1 is one bit of Hamming distance, 1/K on S, for every backend and
    every code length.

    Attributes:
        default_temperature: Suits keys in bits.
        search_range: Of temperatures worth trying, on a log scale.
        level_form: What sort_levels does: "levels" (counts and sums per Hamming distance), "network" or "hard", and
            "dense" where a backend has nothing better than the permutation.

    Args:
        temperature: Positive; none: the default.
    """

    default_temperature: ClassVar[float]
    search_range: ClassVar[tuple[float, float]]
    level_form: ClassVar[str] = "dense"

    def __init__(self, temperature: float | None = None) -> None:
        self.temperature = positive("temperature", self.default_temperature if temperature is None else temperature)

    @abstractmethod
    def permutation(self, keys: Tensor) -> Tensor:
        """Soft permutation [B, n, n] of keys [B, n]: row j says who stands at rank j; rows sum to 1."""

    def sort_payload(self, keys: Tensor, payload: Tensor) -> Tensor:
        """Payload in the order of descending keys: permutation(keys) @ payload.

        Args:
            keys: [B, n].
            payload: [B, n].

        Returns:
            [B, n].

        Raises:
            ValueError: The shapes differ.
        """
        check_rows(keys, payload)
        return torch.einsum("bjk,bk->bj", self.permutation(keys), payload)

    def sort_levels(self, keys: Tensor, payload: Tensor, levels: int) -> Ranked:
        """sort_payload for keys that are whole numbers of agreeing bits.

        Gradients are the expectation of those of sort_payload over a random order of ties.

        Args:
            keys: [B, n], 0 to levels - 1 = K.
            payload: [B, n].
            levels: K + 1.
        """
        return Ranked(self.sort_payload(keys, payload))


def check_rows(keys: Tensor, payload: Tensor | None = None) -> None:
    """Looks whether keys and payload have the shapes of rows.

    Args:
        keys: To be floats [B, n], n >= 1.
        payload: To have their shape, if there is one.

    Raises:
        ValueError: They do not.
    """
    if keys.ndim != 2 or keys.shape[1] == 0 or not keys.is_floating_point():
        raise ValueError(f"'keys' must be floats of shape [B, n], n >= 1, got {keys.dtype} {list(keys.shape)}")
    if payload is not None and payload.shape != keys.shape:
        raise ValueError(f"'payload' must have the shape of 'keys', got {list(payload.shape)} for {list(keys.shape)}")


def positive(name: str, value: float) -> float:
    """A value as a float.

    Args:
        name: Of the option, for the message.
        value: To be positive and finite.

    Raises:
        UserError: It is not.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
        raise UserError(f"sorter {name} must be a positive number, got {value!r}")
    return float(value)


def one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    """A value that is among those allowed.

    Args:
        name: Of the option, for the message.
        value: As given.
        allowed: What it may be.

    Raises:
        UserError: It is none of them.
    """
    if value not in allowed:
        raise UserError(f"sorter {name} must be one of {', '.join(allowed)}, got {value!r}")
    return value
