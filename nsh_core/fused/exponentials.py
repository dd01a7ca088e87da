"""exp of many numbers, in a form that processors with vectors take many at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nsh_core.compiled import compiled

Floats = npt.NDArray[Any]

_PER_LN_2, _LN_2_HIGH, _LN_2_LOW = 1.4426950408889634, 0.693147180369123816490, 1.90821492927058770002e-10
# Adding it rounds to a whole number, which the last bits of the sum then are.
_ROUNDER = 6755399441055744.0
_LEAST, _MOST = -708.0, 709.0
_EXPONENT = np.int64(52)


@compiled
def exponentials(values: Floats, room: Floats) -> None:
    """Exp of float64 values, in their place, to 3e-16 of each; below -708 and above 709 that of these.

    exp(x) = 2^k exp(x - k ln 2): a polynomial, then k is added to the exponent's bits.

    Args:
        values: [n].
        room: float64 [n].
    """
    for i in range(len(values)):
        x = max(min(values[i], _MOST), _LEAST)
        shifted = x * _PER_LN_2 + _ROUNDER
        k = shifted - _ROUNDER
        room[i] = shifted
        r = (x - k * _LN_2_HIGH) - k * _LN_2_LOW
        p = 1.6059043836821613e-10
        p = p * r + 2.08767569878681e-09
        p = p * r + 2.505210838544172e-08
        p = p * r + 2.755731922398589e-07
        p = p * r + 2.7557319223985893e-06
        p = p * r + 2.48015873015873e-05
        p = p * r + 0.0001984126984126984
        p = p * r + 0.001388888888888889
        p = p * r + 0.008333333333333333
        p = p * r + 0.041666666666666664
        p = p * r + 0.16666666666666666
        p = p * r + 0.5
        values[i] = 1.0 + (r + r * r * p)
    bits, whole = values.view(np.int64), room.view(np.int64)
    for i in range(len(bits)):
        bits[i] += whole[i] << _EXPONENT
