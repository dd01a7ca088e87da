"""What runs train on: a data set as it is, views of images, or features of a frozen backbone, extracted once."""

from __future__ import annotations

import hashlib
import json
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from filelock import FileLock
from typing_extensions import override

from nsh_core.backbones import dim_of_features, weights_version
from nsh_core.config import Config
from nsh_core.data import Dataset, Images, Split
from nsh_core.data.features import FeatureFolder
from nsh_core.data.places import cache_folder
from nsh_core.extraction import extract, facts_of
from nsh_core.inputs import ImageFacts
from nsh_core.sections import ImageConfig

_DTYPE = np.float16
_prepared: dict[str, Dataset] = {}


class FrozenFeatures(FeatureFolder):
    """Features extracted from a data set of images, of which they keep the name, the splits and the pictures.

    Args:
        images: The data set.
        path: Folder of the extracted features.
        image: The backbone.
    """

    def __init__(self, images: Images, path: Path, image: ImageConfig) -> None:
        super().__init__(images.name, path)
        side, dtype = images.image_facts.side, np.dtype(_DTYPE).name
        version = weights_version(image)
        self.image_facts = ImageFacts(side, image.backbone, image.size, image.weights, dtype, version)
        self._images = images
        self.default_map_at = images.default_map_at

    @override
    def stored(self, folder: str | Path) -> str:
        return self._images.stored(folder)

    @override
    def splits(self) -> dict[str, npt.NDArray[np.int64]]:
        return self._images.splits()

    @override
    def pictures(self, split: Split, index: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        same = next(name for name in ("database", "validation", "test") if getattr(self, name) is split)
        return self._images.pictures(getattr(self._images, same), index)


def prepared(config: Config, dataset: Dataset) -> Dataset:
    """What a run trains on: images get the views it asks for, or the features of its frozen backbone.

    Features are extracted into the cache folder once, whoever comes first; other processes wait.

    Args:
        config: Of the run.
        dataset: Other data sets than those of images are returned as they are.

    Raises:
        UserError: As extract.
    """
    if not isinstance(dataset, Images):
        return dataset
    image = config.image
    if not image.frozen:
        return dataset.viewed(image.views, None if image.from_scratch else image.size)
    folder = _cached(image, dataset)
    if folder.name not in _prepared:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):
            if not folder.exists():
                from nsh_core.progress import progress_bar

                with progress_bar("features") as progress:
                    task = progress.add_task("features", total=None)
                    extract(dataset, image, folder, on_progress=partial(progress.update, task))
        _prepared[folder.name] = FrozenFeatures(dataset, folder, image)
    return _prepared[folder.name]


def features_to_come(config: Config, dataset: Dataset) -> int:
    """Bytes of the features that `prepared` would extract first; 0 where there is nothing to extract.

    Args:
        config: Of the run.
        dataset: As for prepared.
    """
    image = config.image
    if not isinstance(dataset, Images) or not image.frozen or _cached(image, dataset).exists():
        return 0
    items = sum(map(len, (dataset.database, dataset.validation, dataset.test)))
    rows = dataset.num_train * image.stored_views + items
    return rows * dim_of_features(image) * np.dtype(_DTYPE).itemsize


def _cached(image: ImageConfig, dataset: Images) -> Path:
    """Where the features of a frozen backbone are kept."""
    facts = facts_of(dataset, image, image.stored_views, 64, _DTYPE)
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:24]
    return cache_folder() / "features" / key
