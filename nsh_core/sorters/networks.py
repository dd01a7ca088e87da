"""Sorting networks as index pairs: which wires each layer compares.

A comparator (a, b) puts what comes first on wire a and the other one on wire b.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import isqrt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Layer = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Network:
    """A sorting network on n wires.

    Attributes:
        layers: Of comparators.
        output: [n]; after the last layer, rank j is read from wire `output[j]`.
    """

    layers: tuple[Layer, ...]
    output: tuple[int, ...]


@lru_cache(maxsize=64)
def odd_even(n: int) -> Network:
    """Odd-even transposition network: n layers that compare neighbours."""
    layers = tuple(tuple((a, a + 1) for a in range(layer % 2, n - 1, 2)) for layer in range(n))
    return Network(layers, tuple(range(n)))


@lru_cache(maxsize=64)
def bitonic(n: int) -> Network:
    """Bitonic network (Batcher 1968) on n wires, padded to a power of two.

    The padding comes after everything else, so a comparator that meets it acts hard and always alike: such comparators
    become relabelled wires here and cost nothing when sorting.
    """
    blocks = (n - 1).bit_length()
    wires: list[int | None] = [wire if wire < n else None for wire in range(2**blocks)]
    layers = []
    for block in range(blocks):
        for step in range(block, -1, -1):
            stride = 2**step
            layer = []
            for wire in range(2**blocks):
                if wire & stride:
                    continue
                low, high = wire, wire + stride
                if wire & (2 << block):
                    low, high = high, low
                here, there = wires[low], wires[high]
                if here is not None and there is not None:
                    layer.append((here, there))
                elif here is None:
                    wires[low], wires[high] = there, None
            layers.append(tuple(layer))
    return Network(tuple(layers), tuple(wire for wire in wires if wire is not None))


class Wiring(NamedTuple):
    """A network as runs of comparators whose wires lie one after the other.

    Attributes:
        runs: int64 [r, 3]: where the first and the second wire of a comparator lie, and how many follow likewise.
        layers: int64 [l + 1]: which runs make a layer.
        spans: int64 [s + 1]: which layers make a span, some square root of all of them.
        places: int64 [2, n]: where each item begins, and where each rank is read.
    """

    runs: npt.NDArray[np.int64]
    layers: npt.NDArray[np.int64]
    spans: npt.NDArray[np.int64]
    places: npt.NDArray[np.int64]


@lru_cache(maxsize=64)
def wiring(build: Callable[[int], Network], n: int) -> Wiring:
    """A network's runs, its wires in order or, where that makes fewer, even ones before odd ones.

    Args:
        build: Makes the network.
        n: Of how many wires.
    """
    network = build(n)
    orders = [list(range(n)), [*range(0, n, 2), *range(1, n, 2)]]
    stored, by_layer = min(
        ((order, [_runs(layer, order) for layer in network.layers if layer]) for order in orders),
        key=lambda found: sum(map(len, found[1])),
    )
    layers = len(by_layer)
    place = np.argsort(stored)
    return Wiring(
        np.array([run for layer in by_layer for run in layer], np.int64).reshape(-1, 3),
        np.cumsum([0, *map(len, by_layer)]).astype(np.int64),
        np.unique([*range(0, layers, isqrt(layers) or 1), layers]).astype(np.int64),
        np.stack([place, place[list(network.output)]]).astype(np.int64),
    )


def _runs(layer: Layer, stored: list[int]) -> list[tuple[int, int, int]]:
    place = {wire: at for at, wire in enumerate(stored)}
    found: list[tuple[int, int, int]] = []
    for a, b in sorted((place[one], place[other]) for one, other in layer):
        first, second, size = found[-1] if found else (-1, -1, 0)
        if size and (a, b) == (first + size, second + size):
            found[-1] = first, second, size + 1
        else:
            found.append((a, b, 1))
    return found
