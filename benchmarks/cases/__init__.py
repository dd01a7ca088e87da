"""The cases that are timed, by the name of their group."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from benchmarks.cases.case import LARGEST, SIZES, Case
from benchmarks.cases.claims import claim_cases
from benchmarks.cases.extraction import extraction_cases
from benchmarks.cases.retrieval import map_cases
from benchmarks.cases.sorted_nce import sorted_nce_cases
from benchmarks.cases.sorting import sort_cases
from benchmarks.cases.stacks import stacked_cases
from benchmarks.cases.starting import start_cases, study_cases, worker_cases
from benchmarks.cases.training import step_cases, validation_cases
from nsh_core.sections import ImageConfig

__all__ = ["Case", "groups"]

_BACKBONE = "efficientnet_lite0"


def groups(device: torch.device, quick: bool) -> dict[str, Callable[[], list[Case]]]:
    """The cases by name, made when asked for.

    Args:
        device: Where they run.
        quick: Whether n of 64 and 128, a tenth of the queries, a quarter of the images, have to do.
    """
    queries = 1_000 if quick else 10_000
    sizes = SIZES[:2] if quick else (*SIZES, LARGEST)
    # Name, library, and the largest n at which it fits into memory and a minute.
    sorts = (
        ("diffsort_odd_even", "diffsort.DiffSortNet", 128),
        ("diffsort_bitonic", "diffsort.DiffSortNet", 256),
        ("torchsort", "torchsort.soft_rank, dense kernel", 512),
        ("sinkhorn", "log space on n x n, unrolled", 256),
    )
    steps = (("softsort", 512), ("neuralsort", 512), ("sinkhorn", 256), ("lapsum", 256))
    return {
        **{f"sorted_nce_{name}": partial(sorted_nce_cases, name, sizes, device, most) for name, most in steps},
        **{name: partial(sort_cases, name, library, sizes, most, device) for name, library, most in sorts},
        "step": partial(step_cases, device),
        "validation": partial(validation_cases, device, quick),
        "stacked_seeds": partial(stacked_cases, device),
        "map_10k_50k": partial(map_cases, queries, 50_000),
        "extraction": partial(extraction_cases, 64 if quick else 256, device, ImageConfig(backbone=_BACKBONE)),
        "start": start_cases,
        "study": study_cases,
        "worker": worker_cases,
        "claim": partial(claim_cases, quick),
    }
