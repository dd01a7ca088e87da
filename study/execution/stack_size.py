"""How many runs to train as one stacked model."""

from __future__ import annotations

import torch

from nsh_core import Config, Dataset, UserError, stack_key, stackable, step_seconds
from nsh_core.methods import DeepMethod
from nsh_core.registry import METHODS

CUDA_STACK = 16
CPU_STACK = 10


def stack_kind(config: Config) -> str:
    """What runs of a stack share: their shapes and, so that an arm's seconds are its own, the kind of sorter.

    Args:
        config: Of a run.
    """
    return stack_key(config) + config.sorter.model_dump_json(include={"name", "options"})


class StackSize:
    """Chooses the size of a stack: `wanted` if given, else what is fastest here, at most `share` runs.

    On CUDA that is 16: the step of one run leaves a device idle most of the time. On the CPU a few steps of one run are
    timed beside those of up to ten, once for each sorter, shape and size, and stacks win or lose by that. The choice
    changes no result: stacked runs give the codes of runs alone.

    Args:
        wanted: Runs of a stack; none: what is fastest.
        dataset: Of the study.

    Attributes:
        share: A fair part of what is queued, in trials.
    """

    def __init__(self, wanted: int | None, dataset: Dataset) -> None:
        self._wanted, self._dataset = wanted, dataset
        self.share = 1
        self._known: dict[tuple[str, int], int] = {}

    def __call__(self, config: Config) -> int:
        """The size of a stack that begins with a run.

        Args:
            config: Of the run.

        Returns:
            How many runs, 1 for one that cannot be stacked.
        """
        if self._wanted is not None:
            return self._wanted
        if config.train.device != "cpu" and torch.cuda.is_available():
            return min(CUDA_STACK, self.share)
        if not stackable(config) or not issubclass(METHODS[config.method.name], DeepMethod):
            return 1
        size = min(CPU_STACK, self.share)
        kind = stack_kind(config), size
        if kind not in self._known:
            self._known[kind] = self._fastest(config, size)
        return self._known[kind]

    def _fastest(self, config: Config, size: int) -> int:
        if size == 1:
            return 1
        try:
            alone, stacked = (step_seconds([config] * count, self._dataset) / count for count in (1, size))
        except (UserError, RuntimeError, MemoryError):
            # The trial itself will say what is wrong.
            return 1
        return size if stacked < alone else 1
