"""Whole training runs, stacked and one after another."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.cases.case import Case
from nsh_core import Config, Hasher, fit, fit_together, load_dataset, make_config


def stacked_cases(device: torch.device, seeds: int = 8) -> list[Case]:
    """Whole training runs on the digits, seeds as one stacked model against one after another.

    Args:
        device: Where both run.
        seeds: How many.
    """
    dataset = load_dataset("digits")
    train = {"epochs": 4, "evaluate_every": 4, "device": device.type}
    cases = []
    for backend in ("softsort", "diffsort_odd_even"):
        configs = [make_config({"seed": seed, "sorter": {"name": backend}, "train": train}) for seed in range(seeds)]

        def reference(configs: list[Config] = configs) -> list[Hasher]:
            return [fit(config, dataset) for config in configs]

        def project(configs: list[Config] = configs) -> list[Hasher | Exception]:
            return list(fit_together(configs, dataset))

        def error(configs: list[Config] = configs) -> float:
            ours, alone = (
                np.array([run.metrics["test_map"] for run in runs if isinstance(run, Hasher)])
                for runs in (project(configs), reference(configs))
            )
            return float(np.abs(ours - alone).max())

        name = f"stacked_seeds_{backend}"
        one_by_one = "fit, a seed after another"
        cases.append(Case(name, 64, project, one_by_one, reference, error, bits=32, anchors=seeds))
    return cases
