"""Splits by a fixed seed: the protocols of the field.

All return indices into the items of a source. The database is shuffled: in class order, ties would flatter mAP.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nsh_core.errors import UserError
from nsh_core.metrics.relevance import Labels

SPLIT_SEED = 0
Index = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Splits:
    """Indices of images in the source.

    Attributes:
        train: Training images.
        database: Of the database.
        validation: Validation queries.
        test: Test queries.
    """

    train: Index
    database: Index
    validation: Index
    test: Index

    def as_dict(self) -> dict[str, Index]:
        """The indices by name."""
        return {"train": self.train, "database": self.database, "validation": self.validation, "test": self.test}


def halves(count: int) -> tuple[Index, Index]:
    """Positions of validation and test queries among `count` queries: halves drawn by a fixed seed, ascending."""
    order = np.random.default_rng(SPLIT_SEED).permutation(count)
    validation, test = (np.sort(half) for half in np.array_split(order, 2))
    return validation, test


def query_arrays(validation: npt.NDArray, test: npt.NDArray) -> dict[str, npt.NDArray]:
    """Values of the queries by the array of a feature file that holds these.

    Args:
        validation: Of validation queries.
        test: Of test queries.

    Returns:
        `query` of all, in the order in which their halves were drawn; `query` and `validation` if they are no halves.
    """
    places = halves(len(validation) + len(test))
    if len(places[0]) != len(validation):
        return {"query": test, "validation": validation}
    values = np.empty((len(validation) + len(test), *validation.shape[1:]), validation.dtype)
    values[places[0]], values[places[1]] = validation, test
    return {"query": values}


def shuffled(database: Index) -> Index:
    """A database in the order that it is searched in."""
    return np.random.default_rng(SPLIT_SEED).permutation(database)


def with_halves(train: Index, database: Index, queries: Index) -> Splits:
    """Splits with the queries halved and the database shuffled.

    Args:
        train: Training images, at least 4.
        database: In any order.
        queries: At least 2.

    Raises:
        UserError: There are fewer training images or queries.
    """
    if len(queries) < 2 or len(train) < 4:
        raise UserError(f"a split needs at least 4 training images and 2 queries, got {len(train)} and {len(queries)}")
    validation, test = halves(len(queries))
    return Splits(train, shuffled(database), queries[validation], queries[test])


def per_label(labels: Labels, items: Index, count: int, rng: np.random.Generator) -> Index:
    """For each label some of the items that have it and were not drawn for an earlier one, at random.

    Args:
        labels: Of all items, [N] or multi-hot [N, L].
        items: Indices of those to draw from.
        count: How many of each label.
        rng: Draws them.

    Returns:
        Indices, label by label.

    Raises:
        UserError: A label has too few.
    """
    known = np.unique(labels[items]) if labels.ndim == 1 else np.arange(labels.shape[1])
    left = np.ones(len(labels), bool)
    drawn = []
    for label in known:
        has = labels[items] == label if labels.ndim == 1 else labels[items, label] != 0
        candidates = items[has & left[items]]
        if len(candidates) < count:
            raise UserError(
                f"label {label} has {len(candidates)} images left, the protocol draws {count} of each label"
            )
        chosen = rng.choice(candidates, count, replace=False)
        left[chosen] = False
        drawn.append(chosen)
    return np.concatenate(drawn)


def all_train(train_images: int, count: int) -> Splits:
    """A first part trains and is the database, the rest are queries.

    Args:
        train_images: How many images are the first part.
        count: How many images there are.

    Raises:
        UserError: A part is too small.
    """
    train = np.arange(train_images)
    return with_halves(train, train, np.arange(train_images, count))


def cibhash(labels: Labels, train_images: int) -> Splits:
    """CIFAR-10 as in CIBHash (Qiu et al. 2021): a first part is the database, 500 per class of it train.

    Args:
        labels: [N].
        train_images: How many images are the database, the first ones; the others are queries.

    Raises:
        UserError: A class has too few images.
    """
    database = np.arange(train_images)
    train = per_label(labels, database, 500, np.random.default_rng(SPLIT_SEED))
    return with_halves(train, database, np.arange(train_images, len(labels)))


def one_against_rest(labels: Labels, queries_per_label: int, train_per_label: int) -> Splits:
    """Queries per label, the rest is the database, training images per label of the database.

    100 and 500 are CIFAR-10 (59k) and, with the 21 most frequent labels, NUS-WIDE.

    Args:
        labels: [N] or multi-hot [N, L].
        queries_per_label: Drawn of all items.
        train_per_label: Drawn of the database.

    Raises:
        UserError: A label has too few images.
    """
    rng = np.random.default_rng(SPLIT_SEED)
    items = np.arange(len(labels))
    queries = per_label(labels, items, queries_per_label, rng)
    database = np.setdiff1d(items, queries)
    return with_halves(per_label(labels, database, train_per_label, rng), database, queries)


def at_random(count: int, queries: int, train: int) -> Splits:
    """Queries at random, the rest is the database, training images at random of it (MS-COCO: 5,000 and 10,000).

    Args:
        count: How many images there are.
        queries: How many are queries.
        train: How many train.

    Raises:
        UserError: There are too few images.
    """
    if queries + train > count:
        raise UserError(f"{count} images are too few for {queries} queries and {train} training images")
    order = np.random.default_rng(SPLIT_SEED).permutation(count)
    return with_halves(np.sort(order[queries : queries + train]), np.sort(order[queries:]), np.sort(order[:queries]))
