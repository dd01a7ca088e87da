"""Adam for the runs of a stack."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam

_OF_EACH = ("params", "initial_lr")


class Optimizers:
    """Optimizers of runs that train together: one call for all weights whose settings of Adam are the same.

    What each keeps stays its own, and its weights get the bits that its own step gives.

    Args:
        optimizers: Of each run, of any kind.
    """

    def __init__(self, optimizers: Sequence[torch.optim.Optimizer]) -> None:
        self._optimizers = optimizers
        self._stepped = False

    @torch.no_grad()
    def step(self) -> None:
        """A step of each, by the gradients that are there."""
        alike: dict[tuple[tuple[str, Any], ...], list[tuple[Tensor, Tensor, dict[str, Tensor]]]] = defaultdict(list)
        for optimizer in self._optimizers:
            moved = [
                (group, one) for group in optimizer.param_groups for one in group["params"] if one.grad is not None
            ]
            # Adam makes what it keeps at a weight's first step.
            known = self._stepped and all(one in optimizer.state for _, one in moved)
            if not known or not isinstance(optimizer, torch.optim.Adam):
                optimizer.step()
                continue
            for group, one in moved:
                own = tuple((name, value) for name, value in group.items() if name not in _OF_EACH)
                alike[own].append((one, one.grad, optimizer.state[one]))
        for own, weights in alike.items():
            settings = dict(own)
            beta1, beta2 = settings.pop("betas")
            params, gradients, kept = map(list, zip(*weights, strict=True))
            first, second, steps = ([one[name] for one in kept] for name in ("exp_avg", "exp_avg_sq", "step"))
            adam(params, gradients, first, second, [], steps, beta1=beta1, beta2=beta2, **settings)
        self._stepped = True
