"""A step never waits for the GPU: it runs on meta tensors, which take the code of CUDA's and have no values to read.

What does wait and yet runs on them (a copy from the host that is not `non_blocking`, a list as an index, a check of a
factorisation) is refused by two modes of torch's.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from nsh_core import load_dataset, make_config, methods, sorters
from nsh_core.data import Dataset, Features
from nsh_core.data.augment import RECIPES
from nsh_core.methods import DeepMethod
from nsh_core.training.run import Ending, Run
from nsh_core.training.step import Stack
from tests.conftest import feature_arrays
from tests.nsh_core.images import make_folder

META = torch.device("meta")
LISTS = [name for name in sorters.names() if sorters.sorts_lists(name)]
DEEP = [name for name in methods.names() if issubclass(methods.method(name), DeepMethod)]
SETTINGS = [
    *(f"sorter.name={name}" for name in LISTS),
    *(f"sorter.name={name} loss.surrogate=masked_nce" for name in sorters.names()),
    *(f"sorter.name={name} sorter.temperature=0.01" for name in ("neuralsort", "sinkhorn", "lapsum")),
    *(f"sorter.name={name} sorter.hard_forward=true" for name in ("softsort", "neuralsort")),
    *(f"method.name={name}" for name in DEEP),
    *(f"loss.surrogate={name} loss.gap=1" for name in ("listwise", "pairwise")),
    *(f"loss.surrogate={name} loss.negatives=random-8" for name in ("sorted_nce", "listwise", "pairwise")),
    "loss.nested=[4,12]",
    "loss.softmaxes=2",
    "train.optimizer=adamw",
    "train.views=plain",
    "train.neighbors=3",
    "model.hash_head=mlp model.hash_norm=batch",
]


class WouldWait(AssertionError):
    """The host would wait for the device."""


class _Operators(TorchDispatchMode):
    """Refuses copies between host and device that wait, and checks of results that the host reads."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        between = name == "_to_copy" and kwargs.get("device", args[0].device) != args[0].device
        between |= name == "copy_" and args[0].device != args[1].device
        waits = between and not (kwargs.get("non_blocking") or args[2:])
        if waits or name in ("_local_scalar_dense", "nonzero", "_linalg_check_errors"):
            raise WouldWait(func)
        return func(*args, **kwargs)


class _Calls(TorchFunctionMode):
    """Refuses what torch copies from the host before any operator sees it."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        by_library = sys._getframe(1).f_globals["__name__"].startswith("torchsort")  # it copies one number a step
        made = func is torch.tensor and torch.device(kwargs.get("device") or "cpu") == META and not by_library
        indexed = func in (torch.Tensor.__getitem__, torch.Tensor.__setitem__) and args[0].device == META
        index = args[1] if indexed and isinstance(args[1], tuple) else args[1:2]
        from_host = any(isinstance(one, (list, np.ndarray)) or getattr(one, "device", META) != META for one in index)
        if made or func is torch.Tensor.new_tensor or (indexed and from_host):
            raise WouldWait(func)
        return func(*args, **kwargs)


@contextmanager
def no_waiting() -> Iterator[None]:
    with _Operators(), _Calls():
        yield


@pytest.fixture(autouse=True)
def on_meta(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs train on meta tensors: torch lets them pass where it wants CUDA, and torchsort has kernels for them."""
    monkeypatch.setattr("nsh_core.training.run.device_of", lambda config: META)
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    monkeypatch.setattr(sys.modules["torch.optim.optimizer"], "_get_fused_kernels_supported_devices", lambda: ["meta"])
    ops = pytest.importorskip("torchsort").ops
    monkeypatch.setattr(ops, "isotonic_l2_cuda", torch.empty_like)
    for table in (ops.isotonic_l2, ops.isotonic_l2_backward):
        monkeypatch.setitem(table, "meta", lambda first, *_: torch.empty_like(first))


@pytest.fixture(scope="module")
def features() -> Dataset:
    return Features("small", feature_arrays() | {"train_index": np.arange(80)})


def waits_for_nothing(dataset: Dataset, *settings: list[str]) -> None:
    """A step of a stack with its views, after a first one, which brings settings to the device."""
    base = {"code_length": 12, "train": {"batch_size": 32}, "loss": {"num_positives": 3}}
    stack = Stack([Run(make_config(base, own), dataset, Ending()) for own in settings])
    for watched in (nullcontext(), no_waiting()):
        orders = [run.begin_epoch()[:32] for run in stack.runs]
        stack.objective.items = torch.stack(orders)
        with watched:
            views = [run.views(order) for run, order in zip(stack.runs, orders, strict=True)]
            terms = stack.step([torch.cat(pair) for pair in views])
    assert {value.device for value in terms.values()} == {META}


@pytest.mark.parametrize("settings", SETTINGS)
def test_a_step_waits_for_nothing(features, settings):
    waits_for_nothing(features, settings.split(), [*settings.split(), "seed=1"])


def test_a_stack_of_several_sorters_waits_for_nothing(features):
    waits_for_nothing(features, *([f"sorter.name={name}"] for name in ("softsort", "argsort", "softsort")))


@pytest.mark.parametrize("recipe", RECIPES)
def test_views_of_images_and_a_backbone_in_training_wait_for_nothing(tmp_path, recipe):
    make_folder(tmp_path)
    waits_for_nothing(load_dataset(f"imagefolder:{tmp_path}"), ["image.backbone=small_cnn", f"image.views={recipe}"])


def test_the_digits_wait_for_nothing(digits):
    waits_for_nothing(digits, [])


@pytest.mark.parametrize(
    "wait",
    [
        lambda device, host: device.sum().item(),
        lambda device, host: device[device > 0],
        lambda device, host: device[[0, 1]],
        lambda device, host: device[host.long()],
        lambda device, host: device + host.to(META),
        lambda device, host: device.copy_(host),
        lambda device, host: torch.tensor([1.0], device=META),
        lambda device, host: device.new_tensor([1.0]),
        lambda device, host: torch.linalg.cholesky(device.outer(device)),
        lambda device, host: device.cpu(),
    ],
)
def test_what_waits_is_seen(wait):
    device, host = torch.ones(3, device=META), torch.ones(3)
    with pytest.raises((WouldWait, RuntimeError)), no_waiting():
        wait(device, host)
