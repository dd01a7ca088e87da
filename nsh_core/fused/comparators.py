"""Soft comparators of a sorting network in single precision, a group of anchors at a time.

Wires lie one after the other, keys and payloads [2, n * group], so that neighbouring comparators of a layer are one
loop over numbers that lie together. The backward pass computes the layers once more from states kept now and then:
what it needs of a few layers stays in the cache, all of them would not.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from nsh_core.compiled import compiled

Floats = npt.NDArray[Any]
Places = npt.NDArray[np.int64]
KEY, PAYLOAD, WEIGHT = 0, 1, 2

# atan on [0, 1] to 2e-8 (Abramowitz & Stegun 4.4.49).
_A = tuple(
    np.float32(a)
    for a in (-0.3333314528, 0.1999355085, -0.1420889944, 0.1065626393, -0.07528964, 0.0429096138, -0.0161657367)
)
_LAST = np.float32(0.0028662257)
_ONE, _HALF, _QUARTER_TURN, _PER_TURN = (np.float32(v) for v in (1.0, 0.5, math.pi / 2, 1 / math.pi))


@compiled
def weights(difference: Floats, weight: Floats) -> None:
    """Cauchy's distribution function of key differences: the share of the first wire's key that stays there.

    Args:
        difference: First less second key over the temperature, [comparators].
        weight: Gets them.
    """
    for i in range(len(difference)):
        v = difference[i]
        size = abs(v)
        t = min(size, _ONE / size)
        z = t * t
        series = _LAST
        series = series * z + _A[6]
        series = series * z + _A[5]
        series = series * z + _A[4]
        series = series * z + _A[3]
        series = series * z + _A[2]
        series = series * z + _A[1]
        series = series * z + _A[0]
        angle = t + t * z * series
        angle = angle if size <= _ONE else _QUARTER_TURN - angle
        weight[i] = _HALF + (angle if v >= 0 else -angle) * _PER_TURN


@compiled
def sort(
    state: Floats,
    group: int,
    runs: Places,
    layers: Places,
    exact: bool,
    keep: bool,
    kept: Floats,
) -> None:
    """Sends a state through layers, in place.

    Args:
        state: Keys over the temperature, and payload, [2, n * group].
        group: Anchors.
        runs: Of comparators, [r, 3]: first and second wire of the first one, and how many neighbours it stands for.
        layers: Which runs make a layer, [layers + 1].
        exact: Whether comparators swap hard.
        keep: Whether `kept` gets all layers, one after the other; else each in the place of the last.
        kept: Of each comparator key difference, payload difference and weight, [3, ...].
    """
    start = end = 0
    for layer in range(len(layers) - 1):
        for channel in range(2):
            end = start
            for r in range(layers[layer], layers[layer + 1]):
                a, b, size = runs[r, 0] * group, runs[r, 1] * group, runs[r, 2] * group
                one, other = state[channel, a : a + size], state[channel, b : b + size]
                apart = kept[channel, end : end + size]
                for i in range(size):
                    apart[i] = one[i] - other[i]
                end += size
        weights(kept[KEY, start:end], kept[WEIGHT, start:end])
        for channel in range(2):
            at = start
            for r in range(layers[layer], layers[layer + 1]):
                a, b, size = runs[r, 0] * group, runs[r, 1] * group, runs[r, 2] * group
                one, other = state[channel, a : a + size], state[channel, b : b + size]
                apart, share = kept[channel, at : at + size], kept[WEIGHT, at : at + size]
                if exact:
                    by_key = kept[KEY, at : at + size]
                    for i in range(size):
                        loser = other[i] if by_key[i] >= 0 else one[i]
                        one[i] = one[i] if by_key[i] >= 0 else other[i]
                        other[i] = loser
                else:
                    for i in range(size):
                        moved = share[i] * apart[i]
                        loser = one[i] - moved
                        one[i] = other[i] + moved
                        other[i] = loser
                at += size
        if keep:
            start = end


@compiled
def unsort(gradient: Floats, group: int, runs: Places, layers: Places, kept: Floats) -> None:
    """Takes gradients [2, n * group] back through layers, in place; see sort, which filled `kept` with keep=True."""
    end = 0
    for r in range(layers[0], layers[-1]):
        end += runs[r, 2] * group
    for r in range(layers[-1] - 1, layers[0] - 1, -1):
        a, b, size = runs[r, 0] * group, runs[r, 1] * group, runs[r, 2] * group
        end -= size
        apart, through = kept[KEY, end : end + size], kept[PAYLOAD, end : end + size]
        share = kept[WEIGHT, end : end + size]
        one, other = gradient[PAYLOAD, a : a + size], gradient[PAYLOAD, b : b + size]
        for i in range(size):
            difference = one[i] - other[i]
            moved = share[i] * difference
            loser = one[i] - moved
            one[i] = other[i] + moved
            other[i] = loser
            # What the weight's gradient has of the payload takes the place of the payload's difference.
            through[i] *= difference
        one, other = gradient[KEY, a : a + size], gradient[KEY, b : b + size]
        for i in range(size):
            difference = one[i] - other[i]
            by_weight = (through[i] + difference * apart[i]) * _PER_TURN / (_ONE + apart[i] * apart[i])
            moved = share[i] * difference + by_weight
            loser = one[i] - moved
            one[i] = other[i] + moved
            other[i] = loser
