"""Pictures of what each arm retrieves for a few test queries."""

from __future__ import annotations

import io
import json
from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

import nsh_core
from nsh_core.metrics.relevance import Relevance
from study.analysis.generation import Generation
from study.plan.spec import StudySpec

GALLERY_FILE = "gallery.npz"


@dataclass(frozen=True)
class Gallery:
    """What arms retrieve for a few test queries: A arms, Q queries, U pictures of database items.

    Attributes:
        arms: Names [A].
        nearest: Database items [A, Q, 10] by arm and query, best first, as places in `pictures`.
        query_pictures: Of the queries [Q, H, W(, 3)], uint8.
        pictures: Of the database items [U, H, W(, 3)], uint8.
        relevant: Right or wrong [Q, U].
    """

    arms: npt.NDArray[np.str_]
    nearest: npt.NDArray[np.int64]
    query_pictures: npt.NDArray[np.uint8]
    pictures: npt.NDArray[np.uint8]
    relevant: npt.NDArray[np.bool_]

    def of_arms(self, names: Collection[str]) -> Gallery | None:
        """The gallery of some arms, none where it has none of them.

        Args:
            names: Of the arms.
        """
        kept = np.array([arm in names for arm in self.arms], dtype=bool)
        return replace(self, arms=self.arms[kept], nearest=self.nearest[kept]) if kept.any() else None


def make_gallery(trials: pd.DataFrame, dataset: nsh_core.Dataset) -> Gallery | None:
    """The gallery of the first complete seed of each arm.

    Args:
        trials: Complete final trials.
        dataset: Of the study.

    Returns:
        The gallery, none without any trial or where the data have no pictures.
    """
    from nsh_core.evaluation import gallery_queries  # with torch, which reports do without

    first = trials.groupby("arm", sort=False).nearest.first().dropna()
    queries = gallery_queries(dataset)
    query_pictures = dataset.pictures(dataset.test, queries)
    if first.empty or query_pictures is None:
        return None
    found = np.stack([np.array(json.loads(lists)) for lists in first])
    items, places = np.unique(found, return_inverse=True)
    pictures = dataset.pictures(dataset.database, items)
    assert pictures is not None
    relevance = Relevance(dataset.test.labels[queries], dataset.database.labels[items])
    return Gallery(
        np.array(list(first.index)),
        places.reshape(found.shape),
        query_pictures,
        pictures,
        relevance.rows(slice(None)),
    )


def write_gallery(gallery: Gallery | None, files: Generation) -> None:
    """Writes gallery.npz.

    Args:
        gallery: Of the study, none where there is none by now.
        files: Of its results.

    Raises:
        UserError: It cannot be written.
    """
    if gallery is None:
        files.remove(GALLERY_FILE)
        return
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{field.name: getattr(gallery, field.name) for field in fields(gallery)})
    files.write(GALLERY_FILE, buffer.getvalue())


def read_gallery(folder: Path, spec: StudySpec) -> Gallery | None:
    """Reads gallery.npz.

    Args:
        folder: Of the results.
        spec: The study.

    Returns:
        The gallery, none if there is none.

    Raises:
        ValueError: It is damaged.
        KeyError: It lacks an array.
    """
    if not (folder / GALLERY_FILE).exists():
        return None
    with np.load(folder / GALLERY_FILE, allow_pickle=False) as file:
        gallery = Gallery(*(file[field.name] for field in fields(Gallery)))
    names = spec.former_names
    return replace(gallery, arms=np.array([names.get(arm, arm) for arm in gallery.arms]))
