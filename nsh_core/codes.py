"""Bit-packed hash codes: eight bits a byte, +1 stored as 1, unused last bits 0."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

PackedCodes = npt.NDArray[np.uint8]


def pack(codes: npt.ArrayLike | torch.Tensor) -> PackedCodes:
    """Packs codes into bytes.

    Args:
        codes: [N, K] of -1 and +1.

    Returns:
        uint8 [N, ceil(K / 8)].

    Raises:
        ValueError: The codes have another shape or other values.
    """
    array = codes.detach().cpu().numpy() if isinstance(codes, torch.Tensor) else np.asarray(codes)
    if array.ndim != 2 or array.shape[1] == 0:
        raise ValueError(f"'codes' must have shape [N, K], K >= 1, got {list(array.shape)}")
    ones = array == 1
    if not np.all(ones | (array == -1)):
        raise ValueError("'codes' must hold only -1 and +1")
    return np.packbits(ones, axis=1)


def unpack(packed: PackedCodes, code_length: int) -> npt.NDArray[np.int8]:
    """The codes behind packed ones.

    Args:
        packed: uint8 [N, ceil(K / 8)].
        code_length: K.

    Returns:
        Codes [N, K] in -1/+1.

    Raises:
        ValueError: `packed` are no packed codes, or K does not fit.
    """
    check_packed("packed", packed)
    if not 8 * (packed.shape[1] - 1) < code_length <= 8 * packed.shape[1]:
        raise ValueError(f"'code_length' = {code_length} does not fit {packed.shape[1]} bytes a code")
    return np.unpackbits(packed, axis=1, count=code_length).astype(np.int8) * 2 - 1


def check_packed(name: str, packed: PackedCodes) -> None:
    """Looks whether an array can be packed codes.

    Args:
        name: What the message calls it.
        packed: uint8 [N, bytes] with N, bytes >= 1.

    Raises:
        ValueError: It is not of that type and shape.
    """
    if not isinstance(packed, np.ndarray) or packed.dtype != np.uint8 or packed.ndim != 2 or packed.size == 0:
        got = f"{packed.dtype} {list(packed.shape)}" if isinstance(packed, np.ndarray) else type(packed).__name__
        raise ValueError(f"'{name}' must be packed codes, uint8 [N, bytes], got {got}")
