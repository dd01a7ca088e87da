"""Learning rates over a run."""

from __future__ import annotations

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from nsh_core.sections import TrainConfig

# Shares of the epochs after which the rate becomes a tenth.
STEPS = (0.4, 0.8)


def learning_rates(optimizer: Optimizer, config: TrainConfig, steps: int, epoch: int) -> LambdaLR:
    """Linear warm-up to the rate of each group, then constant, in steps, or a cosine to zero over all epochs.

    Args:
        optimizer: Whose groups hold their highest rates.
        config: Of the run.
        steps: Of an epoch.
        epoch: From which the run goes on; 0 for a new one.

    Returns:
        A schedule to be moved on after every step of the optimizer.
    """

    def share(step: int) -> float:
        whole, part = divmod(step, steps)
        now = epoch + whole + part / steps
        warm = min(1.0, (now + 1 / steps) / config.warmup_epochs) if config.warmup_epochs > 0 else 1.0
        match config.schedule:
            case "constant":
                return warm
            case "step":
                return warm * 0.1 ** sum(now >= share * config.epochs for share in STEPS)
            case "cosine":
                return warm * 0.5 * (1 + math.cos(math.pi * now / config.epochs))

    return LambdaLR(optimizer, share)
