"""Sums with the matrix exp(position_j key_u / T) of evenly spaced positions and the keys of levels.

The exponential is smooth: over a stretch of ranks it is the polynomial through its values at a few nodes, to the last
digit. So what is wanted at n ranks is summed over levels at the nodes alone and interpolated, and what n ranks hold is
first gathered by the nodes. Stretches lie side by side, ranks [in a stretch, stretch], so that all loops run over them.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nsh_core.compiled import compiled

Array = npt.NDArray[Any]
# What a sum is worked out in, [2 Q, levels] and [2 Q, S].
Rooms = tuple[Array, Array]
_MOST_STRETCHES, _VECTOR = 64, 8
# Up to so many ranks each is a node.
_FEW = 128


class KernelMatrix(NamedTuple):
    """What is the same for all anchors; Q nodes in each of S stretches of B ranks.

    Levels and stretches are whole vectors: what fills them up repeats the last one.

    Attributes:
        to_ranks: The polynomials that are 1 at a node and 0 at the others, at ranks [B, Q].
        to_nodes: The same, [Q, B].
        at_nodes: exp(from the middle of a stretch to a node times key / T), [Q, levels].
        by_stretch: exp(middle times key / T), [S, levels].
        by_level: The same, [levels, S].
        position: Of nodes, over T, [Q, S].
        real: 1 for ranks, 0 for what fills up the last stretches, [B, S].
    """

    to_ranks: Array
    to_nodes: Array
    at_nodes: Array
    by_stretch: Array
    by_level: Array
    position: Array
    real: Array


@compiled
def kernel_matrix(
    n: int, bits: int, first: float, step: float, temperature: float, tolerance: float, like: Array
) -> KernelMatrix:
    """The matrix of n positions and bits + 1 keys, from bits / 2 downwards.

    Args:
        n: Ranks.
        bits: Levels but one.
        first: Position of the first rank.
        step: From each to the next.
        temperature: T.
        tolerance: What the interpolation may err by, relative to the largest value of a stretch.
        like: Has the precision that is wanted.
    """
    kind = like.dtype
    size = 1 if n <= _FEW else _whole((n + _MOST_STRETCHES - 1) // _MOST_STRETCHES, 4)
    used = (n + size - 1) // size
    half = step * (size - 1) / 2
    nodes = min(size, _number_of_nodes(abs(half) * bits / (2 * temperature), tolerance))
    offset = np.empty(nodes)
    for q in range(nodes):
        at = math.cos((q + 0.5) * math.pi / nodes) if nodes < size else 2 * q / max(size - 1, 1) - 1
        offset[q] = at * half
    levels, stretches = _whole(bits + 1, _VECTOR), _whole(used, _VECTOR)
    to_ranks, to_nodes = np.empty((size, nodes), kind), np.empty((nodes, size), kind)
    for k in range(size):
        for q in range(nodes):
            value = 1.0
            for other in range(nodes):
                if other != q:
                    value *= (step * k - half - offset[other]) / (offset[q] - offset[other])
            to_ranks[k, q] = to_nodes[q, k] = value
    at_nodes, position = np.empty((nodes, levels), kind), np.empty((nodes, stretches), kind)
    by_stretch, by_level = np.empty((stretches, levels), kind), np.empty((levels, stretches), kind)
    for u in range(levels):
        key = (bits / 2 - min(u, bits)) / temperature
        for q in range(nodes):
            at_nodes[q, u] = math.exp(offset[q] * key)
        for s in range(stretches):
            by_stretch[s, u] = by_level[u, s] = math.exp((first + step * min(s, used - 1) * size + half) * key)
    real = np.empty((size, stretches), kind)
    for s in range(stretches):
        for q in range(nodes):
            position[q, s] = (first + step * s * size + half + offset[q]) / temperature
        for k in range(size):
            real[k, s] = 1 if s * size + k < n else 0
    return KernelMatrix(to_ranks, to_nodes, at_nodes, by_stretch, by_level, position, real)


@compiled
def over_levels(
    values: Array, at_nodes: Array, by_level: Array, to_ranks: Array, low: int, high: int, room: Rooms, out: Array
) -> None:
    """Sums over levels of values [levels] times the kernel.

    Args:
        values: Those outside of `low` to `high` - 1 are left out.
        at_nodes: See KernelMatrix.
        by_level: See there.
        to_ranks: See there.
        low: See whole_vectors.
        high: See there.
        room: See Rooms.
        out: Gets the sums of ranks, [B, S].
    """
    zero = np.int64(0)  # for a literal all would be compiled anew
    if len(out) == 1:
        row_times(values, by_level, out[0], low, high, zero, out.shape[1])
        return
    by_key, nodes = room[0][: len(at_nodes)], room[1][: len(at_nodes)]
    wanted = values[low:high]
    for q in range(len(by_key)):
        row, weight = by_key[q, low:high], at_nodes[q, low:high]
        for u in range(len(row)):
            row[u] = weight[u] * wanted[u]
    product(by_key, by_level, nodes, low, high, zero, nodes.shape[1])
    product(to_ranks, nodes, out, zero, len(nodes), zero, out.shape[1])


@compiled
def over_ranks(
    values: Array,
    to_nodes: Array,
    position: Array,
    at_nodes: Array,
    by_stretch: Array,
    low: int,
    high: int,
    room: Rooms,
    out: Array,
    tilted: Array,
) -> None:
    """Sums over ranks of values [B, S] times the kernel, for levels from `low` to `high` - 1.

    Args:
        values: 0 for what fills up the last stretches.
        to_nodes: See KernelMatrix.
        position: See there.
        at_nodes: See there.
        by_stretch: See there.
        low: As for over_levels.
        high: As for over_levels.
        room: See Rooms.
        out: Gets the sums, [levels].
        tilted: Gets those whose terms are multiplied by the position over T.
    """
    by_key, both = room
    zero, nodes = np.int64(0), len(at_nodes)
    if len(values) == 1:
        given, place, other = values[0], position[0], both[1]
        for s in range(len(given)):
            other[s] = given[s] * place[s]
        row_times(given, by_stretch, out, zero, len(given), low, high)
        row_times(other, by_stretch, tilted, zero, len(given), low, high)
        return
    gathered = both[:nodes]
    product(to_nodes, values, gathered, zero, len(values), zero, values.shape[1])
    for q in range(nodes):
        given, place, plain, other = gathered[q], position[q], both[q], both[nodes + q]
        for s in range(len(given)):
            plain[s] = given[s]
            other[s] = given[s] * place[s]
    product(both, by_stretch, by_key, zero, both.shape[1], low, high)
    sums, tilted_sums = out[low:high], tilted[low:high]
    for u in range(len(sums)):
        sums[u] = tilted_sums[u] = 0
    for q in range(nodes):
        weight, row, other = at_nodes[q, low:high], by_key[q, low:high], by_key[nodes + q, low:high]
        for u in range(len(sums)):
            sums[u] += row[u] * weight[u]
            tilted_sums[u] += other[u] * weight[u]


@compiled
def fold(values: Array, out: Array) -> None:
    """Ranks [n] as [B, S], what fills up the last stretches apart."""
    size = len(out)
    for s in range((len(values) + size - 1) // size):
        for k in range(min(size, len(values) - s * size)):
            out[k, s] = values[s * size + k]


@compiled
def unfold(values: Array, out: Array) -> None:
    """Ranks [B, S] as [n]."""
    size = len(values)
    for s in range((len(out) + size - 1) // size):
        for k in range(min(size, len(out) - s * size)):
            out[s * size + k] = values[k, s]


@compiled
def whole_vectors(low: int, high: int) -> tuple[int, int]:
    """Levels from `low` to `high` - 1, and those beside them that fill up vectors."""
    return low // _VECTOR * _VECTOR, _whole(high, _VECTOR)


@compiled
def row_times(row: Array, right: Array, out: Array, start: int, stop: int, low: int, high: int) -> None:
    """A row [inner] times a matrix [inner, columns]; see product."""
    sums = out[low:high]
    for j in range(len(sums)):
        sums[j] = 0
    for k in range(start, stop, 4):
        a, b, c, d = row[k], row[k + 1], row[k + 2], row[k + 3]
        one, two, three, four = (
            right[k, low:high],
            right[k + 1, low:high],
            right[k + 2, low:high],
            right[k + 3, low:high],
        )
        for j in range(len(sums)):
            sums[j] += (a * one[j] + b * two[j]) + (c * three[j] + d * four[j])


@compiled
def product(left: Array, right: Array, out: Array, start: int, stop: int, low: int, high: int) -> None:
    """Product of matrices [rows, inner] and [inner, columns], over `start` to `stop` of inner, for some columns.

    Args:
        left: Its rows are a multiple of four.
        right: The other one.
        out: Gets the columns from `low` to `high` - 1.
        start: A multiple of four, as `stop`.
        stop: See there.
        low: See there.
        high: See there.
    """
    for q in range(0, len(out), 4):
        o0, o1, o2, o3 = out[q, low:high], out[q + 1, low:high], out[q + 2, low:high], out[q + 3, low:high]
        for j in range(len(o0)):
            o0[j] = o1[j] = o2[j] = o3[j] = 0
        for k in range(start, stop, 4):
            v0, v1, v2, v3 = right[k, low:high], right[k + 1, low:high], right[k + 2, low:high], right[k + 3, low:high]
            a0, a1, a2, a3 = left[q, k], left[q, k + 1], left[q, k + 2], left[q, k + 3]
            b0, b1, b2, b3 = left[q + 1, k], left[q + 1, k + 1], left[q + 1, k + 2], left[q + 1, k + 3]
            c0, c1, c2, c3 = left[q + 2, k], left[q + 2, k + 1], left[q + 2, k + 2], left[q + 2, k + 3]
            d0, d1, d2, d3 = left[q + 3, k], left[q + 3, k + 1], left[q + 3, k + 2], left[q + 3, k + 3]
            for j in range(len(o0)):
                w0, w1, w2, w3 = v0[j], v1[j], v2[j], v3[j]
                o0[j] += (a0 * w0 + a1 * w1) + (a2 * w2 + a3 * w3)
                o1[j] += (b0 * w0 + b1 * w1) + (b2 * w2 + b3 * w3)
                o2[j] += (c0 * w0 + c1 * w1) + (c2 * w2 + c3 * w3)
                o3[j] += (d0 * w0 + d1 * w1) + (d2 * w2 + d3 * w3)


@compiled
def _number_of_nodes(exponent: float, tolerance: float) -> int:
    """Of Chebyshev's nodes, for exp(exponent x) on [-1, 1]; a multiple of four."""
    nodes, error = 1, exponent * math.exp(exponent)
    while error > tolerance or nodes % 4:
        nodes += 1
        error *= exponent / (2 * nodes)
    return nodes


@compiled
def _whole(number: int, of: int) -> int:
    """The number rounded up to a multiple."""
    return (number + of - 1) // of * of
