"""Binary codes that a gradient passes through."""

from __future__ import annotations

import torch
from torch import Tensor


def sign_through(relaxed: Tensor) -> Tensor:
    """Sign of relaxed codes, exactly -1 or +1 (at 0), with the gradient of the relaxed codes (straight-through)."""
    hard = torch.where(relaxed >= 0, 1.0, -1.0).to(relaxed.dtype)
    return hard + (relaxed - relaxed.detach())
