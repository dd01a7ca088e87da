"""Labels of training items: the one path on which they reach training, and data without them for all other methods."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np

from nsh_core.data.dataset import Dataset
from nsh_core.errors import UserError
from nsh_core.metrics.relevance import Labels


def training_labels(dataset: Dataset) -> Labels:
    """The labels of the training items, which are those of the same items in the database.

    Args:
        dataset: As a method gets it.

    Returns:
        [n], or multi-hot [n, L].

    Raises:
        UserError: The method is none that says that it learns from labels, or the items are not known to be in the
            database.
    """
    if not dataset.labelled:
        raise UserError("labels are kept from methods that do not say information = 'labels'")
    places = dataset.train_in_database
    if places is None:
        raise UserError(
            f"{dataset.name} has no labels of its training items, as they are not known to be in its database: give "
            "train_index, which says where they stand there, or choose a method that learns without labels"
        )
    return dataset.database.labels[places]


def without_labels(dataset: Dataset) -> Dataset:
    """The same data, all of one class: what methods get that learn without labels.

    Args:
        dataset: Left as it is.
    """
    other = copy.copy(dataset)
    other.labelled = False
    for part in ("database", "validation", "test"):
        split = getattr(dataset, part)
        same = np.broadcast_to(np.zeros((), split.labels.dtype), split.labels.shape)
        setattr(other, part, replace(split, labels=same))
    return other
