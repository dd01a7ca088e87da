"""The codes of a linear classifier: a supervised ceiling in closed form."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import override

from nsh_core.config import Config
from nsh_core.data import Dataset
from nsh_core.data.labels import training_labels
from nsh_core.methods.base import MethodOptions, Range, ShallowMethod
from nsh_core.methods.hash_centers import hash_centers, one_hot
from nsh_core.methods.linear import StandardizedItems, set_hash_head
from nsh_core.model import HashModel


class Classifier(ShallowMethod):
    """sign(C^T (W x + b)): ridge regression of one-hot labels, and the hash centres C of the classes.

    An item whose class has the score 1 and the others 0 gets the centre of its class; one between classes something
    between their centres. No seed changes it. It learns from labels.
    """

    paper = "Ridge regression onto the hash centres of Yuan et al., CVPR 2020; error-correcting output codes, 1995"
    information = "labels"

    class Options(MethodOptions):
        """Options of the classifier."""

        ridge: float = Field(0.1, gt=0, le=1e4, description="penalty of W^2, in mean variances of a feature")

    @classmethod
    @override
    def search_space(cls, config: Config) -> Mapping[str, Range]:
        return {"method.options.ridge": Range(1e-3, 10.0)}

    @classmethod
    @override
    def fit(cls, model: HashModel, dataset: Dataset, seed: int) -> None:
        items = StandardizedItems(model, dataset)
        hot = torch.from_numpy(one_hot(training_labels(dataset)))
        weight, bias = _ridge(items, hot, model.config.method.settings.ridge)
        centers = torch.from_numpy(hash_centers(hot.shape[1], model.config.code_length))
        set_hash_head(model, centers.T @ weight, centers.T @ bias)


def _ridge(items: StandardizedItems, targets: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
    """W [L, D] and b [L] of least squares with a penalty on W.

    Args:
        items: n of them, [D] each.
        targets: [n, L].
        ridge: Of W^2, per item and in mean variances of a feature.
    """
    (mean, count), centre = items.mean(), targets.mean(dim=0)
    scatter, products, done = torch.zeros(()), torch.zeros(()), 0
    for block in items:
        centred = block - mean
        scatter = scatter + centred.T @ centred
        products = products + centred.T @ (targets[done : done + len(block)] - centre)
        done += len(block)
    covariance = scatter / count
    penalty = ridge * covariance.diagonal().mean() * torch.eye(len(mean), dtype=mean.dtype)
    weight = torch.linalg.solve(covariance + penalty, products / count).T
    return weight, centre - weight @ mean
