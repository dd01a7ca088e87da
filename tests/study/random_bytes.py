"""Files as bytes, and what can happen to them."""

import io
from typing import Any

import numpy as np
from hypothesis import strategies as st


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def npz(arrays: dict[str, Any], packed: bool = False) -> bytes:
    buffer = io.BytesIO()
    (np.savez_compressed if packed else np.savez)(buffer, **arrays)
    return buffer.getvalue()


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Bytes of which some are others, or missing, or too many."""
    how = draw(st.sampled_from(["bits", "bits", "bits", "cut", "zeros", "more", "head", "twice"]))
    at = draw(st.integers(0, len(content)) | st.integers(0, min(200, len(content))))
    if how == "bits":
        changed = bytearray(content)
        for _ in range(draw(st.integers(1, 4)) if content else 0):
            changed[draw(st.integers(0, len(content) - 1) | st.integers(0, min(200, len(content) - 1)))] ^= 1 << draw(
                st.integers(0, 7)
            )
        return bytes(changed)
    new = {"cut": content[:at], "more": content + b"x" * 100, "head": content[at:], "twice": content * 2}
    return new.get(how, content[:at] + b"\0" * 50 + content[at + 50 :])
