"""What a hasher keeps of the data set that it was trained and evaluated on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nsh_core.data.dataset import Dataset
from nsh_core.inputs import ImageFacts


@dataclass(frozen=True)
class DataFacts:
    """A data set in short.

    Attributes:
        name: How to ask for it again.
        train: How many training items it has.
        database: How many items are searched.
        validation: How many validation queries it has.
        test: How many test queries it has.
        map_at: k of mAP@k by the field's convention, none for all.
        images: How images become its items, where they do and it is known.
        fingerprint: Of its content, 16 hex digits; empty where it was not taken.
    """

    name: str
    train: int
    database: int
    validation: int
    test: int
    map_at: int | None
    images: ImageFacts | None
    fingerprint: str = ""

    @classmethod
    def of(cls, dataset: Dataset) -> DataFacts:
        """The facts of a data set, but for its fingerprint: all of it would be read."""
        database, validation, test = (len(part) for part in (dataset.database, dataset.validation, dataset.test))
        k, images = dataset.default_map_at, dataset.image_facts
        return cls(dataset.name, dataset.num_train, database, validation, test, k, images)

    @classmethod
    def from_json(cls, saved: Mapping[str, Any] | None) -> DataFacts | None:
        """What asdict gave, read from JSON; none for none."""
        if saved is None:
            return None
        images = saved["images"]
        return cls(**{**saved, "images": None if images is None else ImageFacts(**images)})
