"""The whole training step beside its floor, and validation beside the whole run, on features as MobileNetV2's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.cases.case import Case
from benchmarks.measure import Seconds
from nsh_core import Config, fit, make_config
from nsh_core.data import Features
from nsh_core.evaluation import validation_map
from nsh_core.measures import Evidence
from nsh_core.training.run import Ending, Run
from nsh_core.training.step import Stack

_DIM, _VIEWS, _BITS = 1280, 2, 64
_STEPS = 32  # views are drawn for 16 at once
_RUN, _QUICK_RUN = (30, 10), (2, 1)  # epochs, and epochs between validations


def step_cases(device: torch.device, seeds: int = 8) -> list[Case]:
    """A step of NSH (views, heads, loss, gradient, Adam), n = 64, K = 64, against its products and Adam alone.

    Args:
        device: Where both run.
        seeds: Of the stack.
    """
    data = _features(train=1000, database=100, queries=100)
    cases = []
    for name, count in (("step_alone", 1), ("step_stacked", seeds)):
        configs = [_config(device, seed=seed) for seed in range(count)]
        stack = Stack([Run(config, data, Ending()) for config in configs])
        ours, floor = _steps(stack), _floor(stack)
        cases.append(Case(name, 64, ours, "its products and Adam", floor, bits=_BITS, anchors=count))
    return cases


def validation_cases(device: torch.device, quick: bool) -> list[Case]:
    """The validations of a run of NSH on 5,000 items, 50,000 in the database and 5,000 queries, against the whole run.

    Args:
        device: Where both run.
        quick: Whether a tenth of the items, and 2 epochs, have to do.
    """
    epochs, every = _QUICK_RUN if quick else _RUN
    share = 10 if quick else 1
    data = _features(train=5000 // share, database=50_000 // share, queries=10_000 // share)
    config = _config(device, epochs=epochs, evaluate_every=every)
    run = cache(lambda: fit(config, data, test=False))

    def project() -> Seconds:
        hasher = run()  # not timed
        return Seconds.of(lambda: [validation_map(Evidence(hasher, data, hasher.encode(data.database), {}, 1, False))
                                   for _ in range(epochs // every)])  # fmt: skip

    whole = "the whole run"
    return [Case("validation", len(data.database), project, whole, lambda: fit(config, data, test=False), bits=_BITS)]


def _config(device: torch.device, seed: int = 0, **train: int) -> Config:
    return make_config({"seed": seed, "code_length": _BITS, "train": {"device": device.type, **train}})


def _features(train: int, database: int, queries: int) -> Features:
    """Bytes around ten centres."""
    rng = np.random.default_rng(0)
    centres = rng.integers(0, 128, (10, _DIM), dtype=np.uint8)
    labels = [rng.integers(0, 10, count) for count in (train, database, queries)]

    def around(own: np.ndarray) -> np.ndarray:
        return centres[own] + rng.integers(0, 128, (*own.shape, _DIM), dtype=np.uint8)

    arrays = {
        "train_views": around(labels[0].repeat(_VIEWS).reshape(-1, _VIEWS)),
        "database": around(labels[1]), "database_labels": labels[1],
        "query": around(labels[2]), "query_labels": labels[2],
        "scale": np.array(1 / 50, np.float32),
    }  # fmt: skip
    return Features("synthetic", arrays)


@contextmanager
def _one_thread() -> Iterator[None]:
    """A run's number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _steps(stack: Stack) -> Callable[[], Seconds]:
    def project() -> Seconds:
        with _one_thread():
            seconds = stack.train_epoch(_STEPS)
        return Seconds(sum(seconds) / len(seconds))

    return project


def _floor(stack: Stack) -> Callable[[], Seconds]:
    """What no step can do without, run by run, into memory that is there.

    Reading both views of n items as bytes and scaling them; of each head the product forward and that of its weight's
    gradient; the similarities of latents and of codes, and of the anchor's 2 n latents, with two products backward
    each; one pass of fused Adam.
    """
    works = [_floor_of(run) for run in stack.runs]

    def reference() -> Seconds:
        def steps() -> None:
            for _ in range(_STEPS):
                for work in works:
                    work()

        with _one_thread():
            return Seconds(Seconds.of(steps) / _STEPS)

    return reference


@torch.no_grad()
def _floor_of(run: Run) -> Callable[[], None]:
    n, device = run.config.train.batch_size, run.device
    stored = torch.randint(256, (1000, _DIM), dtype=torch.uint8)
    index = torch.randint(1000, (2 * n,))
    heads = [layer for layer in (run.model.hash_head, run.model.latent_head) if isinstance(layer, nn.Linear)]
    products: list[tuple[Tensor, Tensor, Tensor]] = []

    def product(rows: int, inner: int, columns: int) -> None:
        made = (torch.randn(size, device=device) for size in ((rows, inner), (inner, columns), (rows, columns)))
        first, second, out = made
        products.append((first, second, out))

    for layer in heads:
        product(2 * n, layer.in_features, layer.out_features)
        product(layer.out_features, 2 * n, layer.in_features)
        # Similarities n x n between views.
        product(n, layer.out_features, n)
        product(n, n, layer.out_features)
        product(n, n, layer.out_features)
    latents = heads[-1].out_features
    product(2 * n, latents, 2 * n)
    product(2 * n, 2 * n, latents)
    product(2 * n, 2 * n, latents)
    weights = [torch.zeros_like(weight).requires_grad_() for layer in heads for weight in layer.parameters()]
    for weight in weights:
        weight.grad = torch.ones_like(weight)
    adam = torch.optim.Adam(weights, fused=True)

    @torch.no_grad()
    def work() -> None:
        stored.index_select(0, index).to(device).float().mul_(1 / 50)
        for first, second, out in products:
            torch.mm(first, second, out=out)
        adam.step()

    return work
