"""Tensors on their way to a device."""

from __future__ import annotations

import torch
from torch import Tensor


def sent(values: Tensor, device: torch.device) -> Tensor:
    """Values on a device; the host does not wait until a GPU has done what was asked of it before.

    What lies in ordinary memory may be changed at once: CUDA takes its copy of that before the call returns.

    Args:
        values: On the CPU, or on the device already.
        device: Where they go.
    """
    return values.to(device, non_blocking=True)
