"""Values of single queries as text, small enough to be kept with every trial."""

from __future__ import annotations

import base64

import numpy as np
import numpy.typing as npt


def as_text(values: npt.NDArray[np.floating]) -> str:
    """Values in [0, 1] in half precision, off by at most .00025.

    Args:
        values: [Q].
    """
    return base64.b85encode(values.astype("<f2").tobytes()).decode()


def from_text(text: str) -> npt.NDArray[np.float16]:
    """What as_text wrote, [Q]."""
    return np.frombuffer(base64.b85decode(text), dtype="<f2")
