"""Binary codes that a gradient passes through."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from typing_extensions import override


def sign_through(relaxed: Tensor) -> Tensor:
    """Sign of relaxed codes, exactly -1 or +1 (at 0), with the gradient of the relaxed codes (straight-through)."""
    return _SignThrough.apply(relaxed)


class _SignThrough(torch.autograd.Function):
    @staticmethod
    @override
    def forward(ctx: Any, relaxed: Tensor) -> Tensor:
        # The sign of NaN is 0: with the difference it stays what it is.
        return relaxed.sign().add_(0.5).sign_().add_(relaxed - relaxed)

    @staticmethod
    @override
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient
