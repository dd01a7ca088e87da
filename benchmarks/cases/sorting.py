"""Sorts alone, against the libraries that they come from."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from diffsort import DiffSortNet
from torch import Tensor

from benchmarks.cases.batch import Batch
from benchmarks.cases.case import Case
from benchmarks.cases.sorted_nce import backward
from benchmarks.references import sinkhorn_dense
from nsh_core import sorters

_CHECKED_ANCHORS = 8


def sort_cases(
    name: str, reference_name: str, sizes: tuple[int, ...], largest_reference: int, device: torch.device
) -> list[Case]:
    """A sort of n payloads for n anchors by keys of 64-bit codes, forward and backward.

    Args:
        name: Of a sorter.
        reference_name: What it is compared with.
        sizes: n of each case.
        largest_reference: Beyond this n there is no reference.
        device: Where both run.
    """
    sorter = sorters.build(name)

    def project(keys: Tensor, payload: Tensor) -> Tensor:
        return sorter.sort_levels(keys, payload, 65).by_rank(keys.shape[1])

    def reference(keys: Tensor, payload: Tensor) -> Tensor:
        return _REFERENCES[name](sorter, keys, payload)

    def error(batch: Batch) -> float | None:
        if batch.codes[0].shape[0] > largest_reference:
            return None
        keys, payload = (tensor[:_CHECKED_ANCHORS].detach().cpu().double() for tensor in batch.keys_and_payload())
        return float((project(keys, payload) - reference(keys, payload)).abs().max())

    cases = []
    for n in sizes:
        batch = Batch.make(n, 64, device)
        keys, payload = batch.keys_and_payload()
        # n layers of n / 2 comparators for n anchors: beyond 1024 fewer anchors have to do.
        anchors = 64 if name == "diffsort_odd_even" and n > 1024 else n
        given = tuple(tensor[:anchors].detach().requires_grad_() for tensor in (keys, payload))
        dense = partial(backward, partial(_loss, reference, *given)) if n <= largest_reference else None
        ours = partial(backward, partial(_loss, project, *given))
        cases.append(Case(name, n, ours, reference_name, dense, partial(error, batch), bits=64, anchors=anchors))
    return cases


def _loss(sort: Callable[[Tensor, Tensor], Tensor], keys: Tensor, payload: Tensor) -> Tensor:
    return sort(keys, payload).square().sum()


def _diffsort(network: str, sorter: sorters.Sorter, keys: Tensor, payload: Tensor) -> Tensor:
    net = DiffSortNet(
        network, keys.shape[1], steepness=1 / sorter.temperature, distribution="cauchy", device=str(keys.device)
    )
    _, matrix = net(-keys)
    return torch.einsum("bkj,bk->bj", matrix.to(keys.dtype), payload)


def _torchsort(sorter: sorters.Sorter, keys: Tensor, payload: Tensor) -> Tensor:
    from torchsort import soft_rank

    n = keys.shape[1]
    ranks = soft_rank(-keys, "l2", sorter.temperature / n)
    places = torch.arange(1, n + 1, dtype=keys.dtype, device=keys.device)
    weights = (-(ranks[:, None, :] - places[:, None]).abs() / sorter.temperature).softmax(dim=2)
    return torch.einsum("bjk,bk->bj", weights, payload)


def _sinkhorn(sorter: sorters.Sorter, keys: Tensor, payload: Tensor) -> Tensor:
    return sinkhorn_dense(keys, payload, sorter.temperature, 10)


_REFERENCES: dict[str, Callable[[sorters.Sorter, Tensor, Tensor], Tensor]] = {
    "diffsort_odd_even": partial(_diffsort, "odd_even"),
    "diffsort_bitonic": partial(_diffsort, "bitonic"),
    "torchsort": _torchsort,
    "sinkhorn": _sinkhorn,
}
