"""Steps of SortedNCE, against NSH as published."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from benchmarks.cases.batch import Batch
from benchmarks.cases.case import Case
from benchmarks.measure import Work
from benchmarks.references import sorted_nce_dense
from nsh_core import sorters
from nsh_core.losses import agreeing_bits, masked_nce, sorted_nce

_POSITIVES, _TEMPERATURE = 5, 0.3


def sorted_nce_cases(
    backend: str, sizes: tuple[int, ...], device: torch.device, largest_reference: int = 512
) -> list[Case]:
    """A step of SortedNCE, forward and backward to codes and latents, K = 64, against NSH as published.

    Args:
        backend: Name of a sorter.
        sizes: n of each case.
        device: Where both run.
        largest_reference: Beyond this n there is no reference.
    """
    sorter = sorters.build(backend)
    project = partial(_sorted_nce, sorter)

    def reference(batch: Batch) -> Tensor:
        return sorted_nce_dense(sorter, batch.codes, batch.latents, _POSITIVES, _TEMPERATURE)

    def error(n: int) -> float:
        batch = Batch.make(min(n, 256), 64, torch.device("cpu"), torch.double)
        return float((project(batch) - reference(batch)).detach().abs())

    cases = []
    for n in sizes:
        batch = Batch.make(n, 64, device)
        dense = partial(backward, partial(reference, batch)) if n <= largest_reference else None
        step = partial(backward, partial(project, batch))
        name = f"sorted_nce_{backend}"
        cases.append(Case(name, n, step, "dense P, gathered latents", dense, partial(error, n), bits=64))
    return cases


def step_of(name: str, n: int, device: torch.device) -> Work:
    """A step of SortedNCE on n items of 64 bits, forward and backward; of masked_nce for a backend without lists.

    Args:
        name: Of a sorter.
        n: Items of the batch.
        device: Where it runs.
    """
    batch = Batch.make(n, 64, device)
    if sorters.sorts_lists(name):
        return partial(backward, partial(_sorted_nce, sorters.build(name), batch))
    return partial(backward, partial(_masked_nce, sorters.build_masks(name), batch))


def backward(loss: Callable[[], Tensor]) -> None:
    """A loss and its gradient.

    Args:
        loss: Computes it.
    """
    loss().backward()


def _sorted_nce(sorter: sorters.Sorter, batch: Batch) -> Tensor:
    n, bits = batch.codes[0].shape
    # With --against, a commit from before there were kernels.
    kernel = sorter.kernel_for(batch.codes[1]) if hasattr(sorter, "kernel_for") else None
    if kernel is not None:
        from nsh_core.fused import sorted_nce_of_codes

        codes, latents = ((view[0][None], view[1][None]) for view in (batch.codes, batch.latents))
        return sorted_nce_of_codes(kernel, codes, latents, [_TEMPERATURE], slice(_POSITIVES, n), _POSITIVES)[0]
    similarity = batch.latents[0] @ batch.latents[1].T / _TEMPERATURE
    ranked = sorter.sort_levels(agreeing_bits(*batch.codes), similarity, bits + 1)
    return sorted_nce(ranked, _POSITIVES, n=n)


def _masked_nce(masks: sorters.FirstRanks, batch: Batch) -> Tensor:
    similarity = batch.latents[0] @ batch.latents[1].T / _TEMPERATURE
    first = partial(masks.first, agreeing_bits(*batch.codes))
    return masked_nce(similarity, first, _POSITIVES, 0, "all").mean()
