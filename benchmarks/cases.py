"""What is compared: each case makes a project's side, a reference's side and the error between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from diffsort import DiffSortNet
from torch import Tensor

from benchmarks.measure import Work
from benchmarks.references import map_loop, sinkhorn_dense, sorted_nce_dense
from nsh_core import Config, Hasher, fit, fit_together, load_dataset, make_config, sorters
from nsh_core.codes import pack
from nsh_core.losses import agreeing_bits, masked_nce, sorted_nce
from nsh_core.metrics import retrieval_metrics

SIZES = (64, 128, 256, 512, 1024)
LARGEST = 4096
_LATENT_DIM, _POSITIVES, _TEMPERATURE = 128, 5, 0.3
_CHECKED_ANCHORS = 8
_CHECKED_QUERIES = 200


@dataclass(frozen=True)
class Case:
    """One line of the table.

    Attributes:
        name: Of the case.
        n: Items of a batch, or of the database.
        bits: Code length; none where there are no codes.
        anchors: Rows that are sorted; seeds of a stack, queries of a retrieval, images of an extraction.
        reference_name: What the project is compared with.
        project: The project's side.
        reference: The reference's; none where it does not fit into memory or a minute.
        error: Gives the largest difference between the two; none where it is not measured.
    """

    name: str
    n: int
    bits: int | None
    anchors: int
    reference_name: str
    project: Work
    reference: Work | None
    error: Callable[[], float | None]


@dataclass(frozen=True)
class _Batch:
    """Codes and latents of two views of n items, ten clusters, as in a batch of training."""

    codes: tuple[Tensor, Tensor]
    latents: tuple[Tensor, Tensor]

    @classmethod
    def make(cls, n: int, bits: int, device: torch.device, dtype: torch.dtype = torch.float32) -> _Batch:
        generator = torch.Generator().manual_seed(n)
        centre = torch.randn(10, bits, generator=generator)[torch.randint(10, (n,), generator=generator)]
        noise = torch.randn(2, n, bits, generator=generator)
        vectors = torch.randn(2, n, _LATENT_DIM, generator=generator)
        codes = tuple((centre + view).sign().to(device, dtype).requires_grad_() for view in noise)
        latents = tuple(
            torch.nn.functional.normalize(view, dim=1).to(device, dtype).requires_grad_() for view in vectors
        )
        return cls((codes[0], codes[1]), (latents[0], latents[1]))

    def keys_and_payload(self) -> tuple[Tensor, Tensor]:
        keys = agreeing_bits(*self.codes).detach().requires_grad_()
        return keys, (self.latents[0] @ self.latents[1].T).detach().requires_grad_()


def sorted_nce_cases(backend: str, sizes: tuple[int, ...], device: torch.device) -> list[Case]:
    """A step of SortedNCE, forward and backward to codes and latents, K = 64, against NSH as published.

    Args:
        backend: Name of a sorter.
        sizes: n of each case; beyond 512 there is no reference.
        device: Where both run.
    """
    sorter = sorters.build(backend)
    project = partial(_sorted_nce, sorter)

    def reference(batch: _Batch) -> Tensor:
        return sorted_nce_dense(sorter, batch.codes, batch.latents, _POSITIVES, _TEMPERATURE)

    def error(n: int) -> float:
        batch = _Batch.make(min(n, 256), 64, torch.device("cpu"), torch.double)
        return float((project(batch) - reference(batch)).detach().abs())

    cases = []
    for n in sizes:
        batch = _Batch.make(n, 64, device)
        fits = n <= 512
        cases.append(
            Case(
                f"sorted_nce_{backend}", n, 64, n, "dense P, gathered latents",
                partial(_backward, partial(project, batch)),
                partial(_backward, partial(reference, batch)) if fits else None,
                partial(error, n),
            )
        )  # fmt: skip
    return cases


def step_of(name: str, n: int, device: torch.device) -> Work:
    """A step of SortedNCE on n items of 64 bits, forward and backward; of masked_nce for a backend without lists.

    Args:
        name: Of a sorter.
        n: Items of the batch.
        device: Where it runs.
    """
    batch = _Batch.make(n, 64, device)
    if sorters.sorts_lists(name):
        return partial(_backward, partial(_sorted_nce, sorters.build(name), batch))
    return partial(_backward, partial(_masked_nce, sorters.build_masks(name), batch))


def _sorted_nce(sorter: sorters.Sorter, batch: _Batch) -> Tensor:
    n, bits = batch.codes[0].shape
    similarity = batch.latents[0] @ batch.latents[1].T / _TEMPERATURE
    ranked = sorter.sort_levels(agreeing_bits(*batch.codes), similarity, bits + 1)
    return sorted_nce(ranked, _POSITIVES, n=n)


def _masked_nce(masks: sorters.FirstRanks, batch: _Batch) -> Tensor:
    similarity = batch.latents[0] @ batch.latents[1].T / _TEMPERATURE
    first = partial(masks.first, agreeing_bits(*batch.codes))
    return masked_nce(similarity, first, _POSITIVES, 0, "all").mean()


def _backward(loss: Callable[[], Tensor]) -> None:
    loss().backward()


def _loss(sort: Callable[[Tensor, Tensor], Tensor], keys: Tensor, payload: Tensor) -> Tensor:
    return sort(keys, payload).square().sum()


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

    def error(batch: _Batch) -> float | None:
        if batch.codes[0].shape[0] > largest_reference:
            return None
        keys, payload = (tensor[:_CHECKED_ANCHORS].detach().cpu().double() for tensor in batch.keys_and_payload())
        return float((project(keys, payload) - reference(keys, payload)).abs().max())

    cases = []
    for n in sizes:
        batch = _Batch.make(n, 64, device)
        keys, payload = batch.keys_and_payload()
        # n layers of n / 2 comparators for n anchors: beyond 1024 fewer anchors have to do.
        anchors = 64 if name == "diffsort_odd_even" and n > 1024 else n
        given = tuple(tensor[:anchors].detach().requires_grad_() for tensor in (keys, payload))
        cases.append(
            Case(
                name, n, 64, anchors, reference_name, partial(_backward, partial(_loss, project, *given)),
                partial(_backward, partial(_loss, reference, *given)) if n <= largest_reference else None,
                partial(error, batch),
            )
        )  # fmt: skip
    return cases


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

        cases.append(
            Case(f"stacked_seeds_{backend}", 64, 32, seeds, "fit, a seed after another", project, reference, error)
        )
    return cases


def map_cases(queries: int, database: int) -> list[Case]:
    """All metrics of 64-bit codes, both tie conventions, mAP@1000, mAP@all and the curves, against two references.

    Args:
        queries: How many.
        database: Its items.
    """
    import faiss

    rng = np.random.default_rng(0)
    centres = rng.integers(0, 2, (10, 64))
    labels = rng.integers(0, 10, queries), rng.integers(0, 10, database)
    signs = [(centres[y] ^ (rng.random((len(y), 64)) < 0.3)).astype(np.int8) * 2 - 1 for y in labels]
    packed = [pack(codes) for codes in signs]
    threads = torch.get_num_threads()
    index = faiss.IndexBinaryFlat(64)
    index.add(packed[1])
    faiss.omp_set_num_threads(threads)

    def project() -> float:
        return retrieval_metrics(packed[0], labels[0], packed[1], labels[1], 1000, threads=threads).map

    def reference() -> float:
        as_float = [codes.astype(np.float32) for codes in signs]
        return map_loop(as_float[0], labels[0], as_float[1], labels[1], 1000)

    def error() -> float:
        few = slice(0, _CHECKED_QUERIES)
        ours = retrieval_metrics(packed[0][few], labels[0][few], packed[1], labels[1], 1000).map
        as_float = [codes.astype(np.float32) for codes in (signs[0][few], signs[1])]
        return abs(ours - map_loop(as_float[0], labels[0][few], as_float[1], labels[1], 1000))

    name = f"map_{queries // 1000}k_{database // 1000}k"
    search = partial(index.search, packed[0], 1000)
    return [
        Case(name, database, 64, queries, "numpy argsort loop, mAP@1000 alone", project, reference, error),
        Case(f"{name}_search", database, 64, queries, "faiss search, top 1000 alone", project, search, lambda: None),
    ]
