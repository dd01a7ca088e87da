"""What the shallow methods share: standardised training features, their principal components, a linear hash head."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from nsh_core.data import Dataset
from nsh_core.data.blocks import in_blocks
from nsh_core.errors import UserError
from nsh_core.model import HashModel


class StandardizedItems:
    """The training items, standardised, in float64, in blocks; they can be gone through again and again.

    Args:
        model: Whose standardisation it is.
        dataset: Whose items.
    """

    def __init__(self, model: HashModel, dataset: Dataset) -> None:
        self._mean, self._deviation = model.mean.double().cpu(), model.deviation.double().cpu()
        self._dataset = dataset

    def __iter__(self) -> Iterator[Tensor]:
        for block in in_blocks(self._dataset.training_items()):
            yield block.double().sub_(self._mean).div_(self._deviation)

    def mean(self) -> tuple[Tensor, int]:
        """Of the items [D], and how many they are."""
        total, count = torch.zeros(()), 0
        for block in self:
            total = total + block.sum(dim=0)
            count += len(block)
        return total / count, count


def principal_components(model: HashModel, items: StandardizedItems, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Principal axes and components of items; each axis' largest entry is positive.

    Args:
        model: Whose config messages name.
        items: M of them, [D] each.
        count: How many axes, at most D.

    Returns:
        Mean [D], first `count` principal axes [D, count] and components [M, count].

    Raises:
        UserError: There are fewer than `count` axes.
    """
    if count > model.dim:
        raise UserError(
            f"{model.config.method.name} gives at most D = {model.dim} bits on these features, "
            f"got code_length = {model.config.code_length}"
        )
    mean, number = items.mean()
    scatter = torch.zeros(())
    for block in items:
        centred = block - mean
        scatter = scatter + centred.T @ centred
    axes = torch.linalg.eigh(scatter).eigenvectors.flip(1)[:, :count]
    largest = axes.gather(0, axes.abs().argmax(dim=0, keepdim=True))
    axes = axes * largest.sign()
    # Made as one: pieces that stay would lie between those that go, and keep their room from being used again.
    components, done = torch.empty(number, count, dtype=torch.float64), 0
    for block in items:
        components[done : done + len(block)] = (block - mean) @ axes
        done += len(block)
    return mean, axes, components


@torch.no_grad()
def set_hash_head(model: HashModel, weight: Tensor, bias: Tensor) -> None:
    """Makes h = weight x + bias for standardised features x.

    Args:
        model: Changed in place.
        weight: [K, D].
        bias: [K].
    """
    model.hash_output.weight.copy_(weight)
    model.hash_output.bias.copy_(bias)


def random_rotation(bits: int, seed: int) -> Tensor:
    """An orthogonal matrix [K, K], drawn by a seed.

    Args:
        bits: K.
        seed: Of the draw.
    """
    draw = torch.randn(bits, bits, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.linalg.svd(draw)[0]
