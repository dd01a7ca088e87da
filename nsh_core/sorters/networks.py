"""Sorting networks as index pairs: which wires each layer compares.

A comparator (a, b) puts what comes first on wire a and the other one on wire b.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

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
