"""Training steps of a stack: runs of one shape, each with its own seed, data order and settings."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from nsh_core.distributed import gathered, own_part, sum_gradients
from nsh_core.errors import naming
from nsh_core.methods import DeepMethod
from nsh_core.model import forward_together
from nsh_core.training.adam import Optimizers
from nsh_core.training.run import Run


class Stack:
    """Runs that train together, and their objective, which lives as long as they do.

    Args:
        runs: Of one stack key, by a deep method.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        self.runs = list(runs)
        self.objective = self._objective()
        self._optimizers = Optimizers([run.optimizer for run in self.runs])
        memories = [run.progress.memory for run in self.runs]
        self.objective.state = {
            name: torch.stack([memory[name] for memory in memories]).to(self.runs[0].device) for name in memories[0]
        }

    @property
    def _what(self) -> str:
        return f"method {self.runs[0].config.method.name!r}"

    def _objective(self) -> DeepMethod:
        kind = self.runs[0].method
        assert issubclass(kind, DeepMethod)
        with naming(self._what):
            objective = kind([run.config for run in self.runs])
        objective.prepared = [run.prepared for run in self.runs]
        return objective

    def keep_active(self) -> bool:
        """Goes on with the runs that have epochs left; whether there are any."""
        places = [place for place, run in enumerate(self.runs) if run.goes_on()]
        if places and len(places) < len(self.runs):
            state = {name: value[places] for name, value in self.objective.state.items()}
            self.runs = [self.runs[place] for place in places]
            self.objective = self._objective()
            self.objective.state = state
            self._optimizers = Optimizers([run.optimizer for run in self.runs])
        return bool(places)

    def memory_of(self, run: Run) -> dict[str, Tensor]:
        """What the method remembers of a run."""
        place = self.runs.index(run)
        return {name: value[place] for name, value in self.objective.state.items()}

    def train_epoch(self, most_steps: int | None = None) -> list[float]:
        """One epoch of every run, or its first steps; the means of the loss terms go to the runs.

        Args:
            most_steps: At most so many; none: all.

        Returns:
            Seconds of each step.
        """
        runs, dataset = self.runs, self.runs[0].dataset
        orders = [run.begin_epoch() for run in runs]
        size = runs[0].config.train.batch_size
        steps = min(runs[0].steps, most_steps or runs[0].steps)
        ahead = dataset.steps_of_views  # one call for small images in place of many
        times = [time.perf_counter()]
        sums: dict[str, Tensor] = defaultdict(lambda: torch.zeros(len(runs), device=runs[0].device))
        for step in range(steps):
            if step % ahead == 0:
                part = slice(step * size, min(step + ahead, steps) * size)
                views = [run.views(order[part]) for run, order in zip(runs, orders, strict=True)]
            here = slice(step % ahead * size, (step % ahead + 1) * size)
            self.objective.items = torch.stack([order[step * size : (step + 1) * size] for order in orders])
            terms = self.step([torch.cat([own_part(view[here]) for view in pair]) for pair in views])
            for name, value in terms.items():
                sums[name] += value
            times.append(time.perf_counter())
        for name, total in sums.items():
            for run, mean in zip(runs, (total / steps).tolist(), strict=True):
                run.progress.means.setdefault(name, []).append(mean)
        return [end - start for start, end in pairwise(times)]

    def step(self, items: Sequence[Tensor]) -> dict[str, Tensor]:
        """One step of every run.

        Args:
            items: Of each run, two views of n items one after the other: [2 n, ...].

        Returns:
            The terms of the loss [R] by name.
        """
        runs = self.runs
        with torch.autocast(items[0].device.type, torch.bfloat16, enabled=runs[0].bf16):
            outputs = forward_together([run.model for run in runs], items)
            first, second = (gathered(half) for half in outputs.halves())
        with naming(self._what):
            terms = self.objective(first, second, [run.generator for run in runs])
            for run in runs:
                run.optimizer.zero_grad(set_to_none=True)
            # A run's loss does not depend on another's parameters, so the sum gives each its own gradient.
            terms["loss"].sum().backward()
            values = {name: value.detach() for name, value in terms.items()}
        for run in runs:
            sum_gradients(run.model.parameters())
        self._optimizers.step()
        for run in runs:
            run.schedule.step()
        return values
