"""Sums with weights that decay exponentially with the distance, by prefix scans."""

from __future__ import annotations

import torch
from torch import Tensor


def decayed_sums(positions: Tensor, values: Tensor, scale: float) -> tuple[Tensor, Tensor, Tensor]:
    """Sums of values weighted by exp(-|distance| / scale), for each of the positions.

    Args:
        positions: [B, n], descending.
        values: [C, B, n].
        scale: Distance at which a weight falls by a factor e.

    Returns:
        Three [C, B, n]: over strictly higher positions, over strictly lower ones, and over all with equal ones.
    """
    decay = (-(positions[:, :-1] - positions[:, 1:]) / scale).exp()
    up, down = torch.nn.functional.pad(decay, (1, 0)), torch.nn.functional.pad(decay, (0, 1))
    from_higher = _recurrence(up, values)
    from_lower = _recurrence(down.flip(1), values.flip(2)).flip(2)

    place = torch.arange(positions.shape[1], device=positions.device).expand_as(positions)
    fresh = torch.nn.functional.pad(positions[:, 1:] != positions[:, :-1], (1, 0), value=True)
    first = torch.where(fresh, place, 0).cummax(dim=1).values
    closing = torch.nn.functional.pad(fresh[:, 1:], (0, 1), value=True)
    last = torch.where(closing, place, positions.shape[1]).flip(1).cummin(dim=1).values.flip(1)
    higher = (from_higher - values).gather(2, first.expand_as(values))
    lower = (from_lower - values).gather(2, last.expand_as(values))
    return higher, lower, from_higher + from_lower - values


def _recurrence(decay: Tensor, values: Tensor) -> Tensor:
    """y_i = x_i + decay_i y_(i-1) for values x [C, B, n] and decay [B, n], in log2(n) doubling steps."""
    total, reach = values.clone(), decay.clone()
    step = 1
    while step < values.shape[2]:
        total[:, :, step:] += reach[:, step:] * total[:, :, :-step].clone()
        reach[:, step:] *= reach[:, :-step].clone()
        reach[:, :step] = 0
        step *= 2
    return total
