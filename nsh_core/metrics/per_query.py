"""Values of single queries as text, small enough to be kept with every trial."""

from __future__ import annotations

import base64

import numpy as np
import numpy.typing as npt

_ALPHABET = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"
_DIGITS = np.zeros(256, np.int64)
_DIGITS[np.frombuffer(_ALPHABET, np.uint8)] = np.arange(85)
_PLACES = 85 ** np.arange(4, -1, -1)


def as_text(values: npt.NDArray[np.floating]) -> str:
    """Values in [0, 1] in half precision, off by at most .00025.

    Args:
        values: [Q].
    """
    return base64.b85encode(values.astype("<f2").tobytes()).decode()


def from_text(text: str) -> npt.NDArray[np.float16]:
    """What as_text wrote, [Q]."""
    # As base64.b85decode, which takes a millisecond for a thousand values.
    missing = -len(text) % 5
    digits = _DIGITS[np.frombuffer(text.encode() + b"~" * missing, np.uint8)].reshape(-1, 5)
    data = (digits @ _PLACES).astype(">u4").tobytes()
    return np.frombuffer(data[: len(data) - missing], dtype="<f2")
