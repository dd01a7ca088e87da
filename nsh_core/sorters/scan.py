"""Sums with weights that decay exponentially with the distance, by prefix scans."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad


def decay(positions: Tensor, scale: float) -> Tensor:
    """By what a weight falls from each position to the next.

    Args:
        positions: [B, n], descending.
        scale: Distance at which a weight falls by a factor e.

    Returns:
        [B, n - 1].
    """
    return (-(positions[:, :-1] - positions[:, 1:]) / scale).exp()


def from_higher(steps: Tensor, values: Tensor) -> Tensor:
    """Sums of values weighted by exp(-distance / scale) over positions up to and with each one, in order.

    Args:
        steps: Of decay, [B, n - 1].
        values: [..., B, n].

    Returns:
        As values.
    """
    return _recurrence(pad(steps, (1, 0)), values)


def from_lower(steps: Tensor, values: Tensor) -> Tensor:
    """The same over positions from each one on."""
    return _recurrence(pad(steps, (0, 1)).flip(1), values.flip(-1)).flip(-1)


def decayed_sums(positions: Tensor, values: Tensor, scale: float) -> tuple[Tensor, Tensor, Tensor]:
    """Sums of values weighted by exp(-|distance| / scale), for each of the positions.

    Args:
        positions: [B, n], descending.
        values: [C, B, n].
        scale: Distance at which a weight falls by a factor e.

    Returns:
        Three [C, B, n]: over strictly higher positions, over strictly lower ones, and over all with equal ones.
    """
    steps = decay(positions, scale)
    higher_or_first, lower_or_last = from_higher(steps, values), from_lower(steps, values)

    place = torch.arange(positions.shape[1], device=positions.device).expand_as(positions)
    fresh = pad(positions[:, 1:] != positions[:, :-1], (1, 0), value=True)
    first = torch.where(fresh, place, 0).cummax(dim=1).values
    closing = pad(fresh[:, 1:], (0, 1), value=True)
    last = torch.where(closing, place, positions.shape[1]).flip(1).cummin(dim=1).values.flip(1)
    higher = (higher_or_first - values).gather(2, first.expand_as(values))
    lower = (lower_or_last - values).gather(2, last.expand_as(values))
    return higher, lower, higher_or_first + lower_or_last - values


def _recurrence(decay: Tensor, values: Tensor) -> Tensor:
    """y_i = x_i + decay_i y_(i-1) for values x [..., B, n] and decay [B, n], in log2(n) doubling steps."""
    total, reach = values.clone(), decay.clone()
    step = 1
    while step < values.shape[-1]:
        total[..., step:] += reach[:, step:] * total[..., :-step].clone()
        reach[:, step:] *= reach[:, :-step].clone()
        reach[:, :step] = 0
        step *= 2
    return total
