"""What the shallow methods share: standardised training features, their principal components, a linear hash head."""

from __future__ import annotations

import torch
from torch import Tensor

from nsh_core.data import Dataset
from nsh_core.errors import UserError
from nsh_core.model import HashModel


def standardized_items(model: HashModel, dataset: Dataset) -> Tensor:
    """The training items [M, D], standardised, in float64."""
    mean, deviation = model.mean.double().cpu(), model.deviation.double().cpu()
    return torch.cat([(items.double() - mean) / deviation for items in dataset.training_items()])


def principal_components(model: HashModel, items: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Principal axes and components of items; each axis' largest entry is positive.

    Args:
        model: Whose config messages name.
        items: [M, D].
        count: How many axes, at most D.

    Returns:
        Mean [D], first `count` principal axes [D, count] and components [M, count].

    Raises:
        UserError: There are fewer than `count` axes.
    """
    if count > items.shape[1]:
        raise UserError(
            f"{model.config.method.name} gives at most D = {items.shape[1]} bits on these features, "
            f"got code_length = {model.config.code_length}"
        )
    mean = items.mean(dim=0)
    centred = items - mean
    axes = torch.linalg.eigh(centred.T @ centred).eigenvectors.flip(1)[:, :count]
    largest = axes.gather(0, axes.abs().argmax(dim=0, keepdim=True))
    axes = axes * largest.sign()
    return mean, axes, centred @ axes


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
