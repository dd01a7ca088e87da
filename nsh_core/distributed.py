"""Training one run over several processes (torchrun): each encodes a part of the batch, all see the whole list.

Every process draws the same items and views, encodes its own part, and gathers the outputs of all parts, so that the
sorted list is that of the global batch. Each computes the same loss of the whole batch and keeps the gradient of its
own part; the gradients of the weights are then summed. Up to the order of additions that is the step of one process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm

from nsh_core.errors import UserError
from nsh_core.model import Outputs

T = TypeVar("T")


@contextmanager
def processes() -> Iterator[None]:
    """Joins the processes that torchrun started, if it did: NCCL where each has a GPU, else gloo."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or dist.is_initialized():
        yield
        return
    on_gpus = torch.cuda.is_available() and torch.cuda.device_count() > int(os.environ.get("LOCAL_RANK", "0"))
    dist.init_process_group("nccl" if on_gpus else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def size() -> int:
    """W, how many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Which of them this one is, 0 to W - 1."""
    return dist.get_rank() if dist.is_initialized() else 0


def own_part(items: Tensor) -> Tensor:
    """The rows of this process of a global batch.

    Args:
        items: [n, ...].

    Returns:
        [n / W, ...].

    Raises:
        UserError: n is no multiple of W.
    """
    if len(items) % size():
        raise UserError(f"train.batch_size = {len(items)} must be a multiple of the {size()} processes")
    return items.chunk(size())[rank()]


def gathered(part: Outputs) -> Outputs:
    """Outputs [R, n, ...] of the global batch from those of this process' part."""
    if size() == 1:
        return part
    return Outputs(*(_Gather.apply(getattr(part, field.name)) for field in fields(part)))


class _Gather(torch.autograd.Function):
    """All parts along the dimension of items. All have the same loss of all parts, so the own slice is the gradient."""

    @staticmethod
    def forward(ctx: Any, part: Tensor) -> Tensor:
        ctx.rows = part.shape[1]
        parts = [torch.empty_like(part) for _ in range(size())]
        dist.all_gather(parts, part.contiguous())
        return torch.cat(parts, dim=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient[:, rank() * ctx.rows : (rank() + 1) * ctx.rows]


def sum_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Adds up the gradients of all processes, in one message."""
    if size() == 1:
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    for gradient, total in zip(gradients, flat.split([gradient.numel() for gradient in gradients]), strict=True):
        gradient.copy_(total.view_as(gradient))


def from_first(compute: Callable[[], T]) -> T:
    """What the first process computes, on all of them.

    Args:
        compute: Called by the first process alone.

    Raises:
        Exception: What `compute` raises is raised by all.
    """
    if size() == 1:
        return compute()
    box: list[Any] = [None, None]
    if rank() == 0:
        try:
            box[0] = compute()
        except Exception as error:
            box[1] = error
    dist.broadcast_object_list(box)
    if box[1] is not None:
        raise box[1]
    return box[0]


def share_statistics(module: nn.Module) -> None:
    """Makes batch normalisation within a module normalise by the global batch."""
    if size() == 1:
        return
    for name, child in module.named_children():
        if isinstance(child, _BatchNorm):
            setattr(module, name, _GlobalBatchNorm.of(child))
        else:
            share_statistics(child)


class _GlobalBatchNorm(_BatchNorm):
    """Batch normalisation whose mean and variance in training are those of the items of all processes."""

    @classmethod
    def of(cls, own: _BatchNorm) -> _GlobalBatchNorm:
        """One that starts as another, under the same names; what that does to normal values, as timm's, it does too."""
        same = cls(own.num_features, own.eps, own.momentum, own.affine, own.track_running_stats)
        for name, inner in own.named_children():
            same.add_module(name, inner)
        same.load_state_dict(own.state_dict())
        for parameter, known in zip(same.parameters(), own.parameters(), strict=True):
            parameter.requires_grad_(known.requires_grad)
        return same

    def _check_input_dim(self, input: Tensor) -> None:
        """Any shape [n, channels, ...]."""

    def forward(self, items: Tensor) -> Tensor:
        normal = self._normal(items) if self.training else super().forward(items)
        for inner in self.children():
            normal = inner(normal)
        return normal

    def _normal(self, items: Tensor) -> Tensor:
        over = [dim for dim in range(items.ndim) if dim != 1]
        shape = [1, -1] + [1] * (items.ndim - 2)
        count = items.numel() // items.shape[1] * size()
        mean = _Sum.apply(items.sum(dim=over)) / count
        centred = items - mean.view(shape)
        variance = _Sum.apply(centred.square().sum(dim=over)) / count
        if self.running_mean is not None and self.running_var is not None:
            with torch.no_grad():
                if self.num_batches_tracked is not None:
                    self.num_batches_tracked.add_(1)
                self.running_mean.lerp_(mean, self.momentum or 0.0)
                self.running_var.lerp_(variance * (count / (count - 1)), self.momentum or 0.0)
        normal = centred * (variance + self.eps).rsqrt().view(shape)
        return normal * self.weight.view(shape) + self.bias.view(shape) if self.affine else normal


class _Sum(torch.autograd.Function):
    """The sum over all processes; every one of them depends on it, so its gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        dist.all_reduce(total)
        return total
