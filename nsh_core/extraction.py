"""Features of images from a frozen backbone: extracted once, kept, and taken up again after a kill."""

from __future__ import annotations

import json
import os
import shutil
import time
import zipfile
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from nsh_core.array_files import new_array
from nsh_core.backbones import kind_of, weights_version
from nsh_core.data import Images
from nsh_core.data.features import FACTS, fingerprint_of_folder
from nsh_core.data.splits import query_arrays
from nsh_core.errors import UserError
from nsh_core.files import partial_of, write_atomically
from nsh_core.frozen import FrozenBackbone, arithmetic
from nsh_core.in_order import in_order
from nsh_core.sections import ImageConfig

Progress = Callable[..., None]

_DONE = "done.json"
_FOUND = ("fingerprint", "side")  # what is known at the end
_PACKED = "packed.npz"
_SAVE_SECONDS = 5
_THREADS_OF_A_GPU = 2


def extract(
    dataset: Images,
    image: ImageConfig,
    out: Path,
    views: int | None = None,
    batch: int = 64,
    dtype: type[np.floating] = np.float16,
    on_progress: Progress | None = None,
) -> dict[str, Any]:
    """Writes features of a data set of images as a feature file: .npz, or else a folder that is mapped into memory.

    Work in progress lies in `out`.partial; the same call takes it up again, to the same bytes. On CUDA the backbone
    runs in bfloat16.

    Args:
        dataset: The images.
        image: The backbone, and the recipe of the views.
        out: The file or folder.
        views: Of each training image, by image.views; none: image.stored_views.
        batch: Images at a time.
        dtype: float16 or float32.
        on_progress: Called with completed= and total= images, views counted.

    Returns:
        The facts stored with the features.

    Raises:
        UserError: Work of another kind in `out`.partial, features that are not finite, a place that cannot be written,
            or a backbone that cannot be had.
    """
    facts = facts_of(dataset, image, views or image.stored_views, batch, dtype)
    working = partial_of(out)
    backbone = FrozenBackbone(image)
    try:
        work = _Work(dataset, facts, working, backbone.dim)
        work.run(backbone, on_progress)
        work.finish(out)
    except OSError as error:
        raise UserError(f"cannot write features to {out}: {error.strerror or error}") from None
    return work.facts


def facts_of(dataset: Images, image: ImageConfig, views: int, batch: int, dtype: type[np.floating]) -> dict[str, Any]:
    """What features depend on.

    Args:
        dataset: The images.
        image: As for extract.
        views: Of each training image.
        batch: As for extract.
        dtype: As for extract.
    """
    weights = "random" if image.from_scratch else image.weights
    version = weights_version(image)
    return {
        "dataset": dataset.name,
        "content": dataset.fingerprint(),
        **image.model_dump(include={"backbone", "size", "views"}),
        "weights": weights,
        **({"weights_version": version} if version else {}),
        "train_views": views,
        "batch": batch,
        "dtype": np.dtype(dtype).name,
        "arithmetic": arithmetic(),
    }


class _Work:
    """An extraction under way: arrays on disk and how many rows of each are done."""

    def __init__(self, dataset: Images, facts: dict[str, Any], folder: Path, dim: int) -> None:
        self.dataset, self.facts, self.folder = dataset, facts, folder
        self.dtype = np.dtype(facts["dtype"])
        own_side = kind_of(facts["backbone"]).from_scratch
        self.side = dataset.database.items.shape[2] if own_side else facts["size"]
        shapes = {
            "train_views": (dataset.num_train, facts["train_views"], dim),
            "database": (len(dataset.database), dim),
            **{name: (len(index), dim) for name, index in self._query_index().items()},
        }
        if (folder / FACTS).exists():
            known = json.loads((folder / FACTS).read_text(encoding="utf-8"))
            if {name: value for name, value in known.items() if name not in _FOUND} != facts:
                differing = ", ".join(name for name in facts if known.get(name) != facts[name])
                raise UserError(
                    f"{folder} holds an extraction with another {differing}: remove it, or choose another file"
                )
            self.arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r+", allow_pickle=False) for name in shapes}
            complete = {name: len(array) for name, array in self.arrays.items()}
            finished = not (folder / _DONE).exists()
            self.done = complete if finished else json.loads((folder / _DONE).read_text(encoding="utf-8"))
        else:
            folder.mkdir(parents=True, exist_ok=True)
            self.arrays = {name: new_array(folder / f"{name}.npy", self.dtype, shape) for name, shape in shapes.items()}
            self.done = dict.fromkeys(shapes, 0)
            self._save()
            # Last: with it the folder is one to go on from.
            write_atomically(folder / FACTS, json.dumps(facts, indent=1))

    def run(self, backbone: FrozenBackbone, on_progress: Progress | None) -> None:
        """Computes what is not done yet: each thread reads, views and computes whole batches."""
        # A thread alone would leave a GPU idle while it reads.
        threads = torch.get_num_threads() if backbone.device.type == "cpu" else _THREADS_OF_A_GPU
        views = self.facts["train_views"]
        total = self.dataset.num_train * (views - 1) + sum(map(len, self.arrays.values()))
        saved = time.monotonic()
        for name, array in self.arrays.items():
            batches = self._batches(name)
            with closing(in_order(partial(self._features, name, backbone), batches, threads)) as found:
                for rows, values in zip(batches, found, strict=True):
                    with np.errstate(over="ignore"):
                        array[rows] = values.reshape(-1, *array.shape[1:])
                    if not np.isfinite(array[rows]).all():
                        raise UserError(
                            f"features of {name}, rows from {rows.start}, hold NaN or values that are infinite in "
                            f"{self.dtype}"
                        )
                    self.done[name] = rows.stop
                    if time.monotonic() - saved > _SAVE_SECONDS:
                        self._save()
                        saved = time.monotonic()
                    if on_progress is not None:
                        done = self.done["train_views"] * (views - 1) + sum(self.done.values())
                        on_progress(completed=done, total=total)
        self._save()

    def finish(self, out: Path) -> None:
        """Adds labels, fingerprint and index, and puts everything in its place in one step."""
        queries = query_arrays(self.dataset.validation.labels, self.dataset.test.labels)
        labels = {"database_labels": self.dataset.database.labels} | {
            f"{one}_labels": own for one, own in queries.items()
        }
        place = self.dataset.train_in_database
        extra = labels if place is None else labels | {"train_index": place}
        found = fingerprint_of_folder(self.arrays | extra), self.dataset.image_facts.side
        self.facts = self.facts | dict(zip(_FOUND, found, strict=True))
        for name, array in extra.items():
            np.save(self.folder / f"{name}.npy", array)
        if out.suffix == ".npz":
            self._pack(self.folder / _PACKED)
            os.replace(self.folder / _PACKED, out)
            shutil.rmtree(self.folder)
            return
        write_atomically(self.folder / FACTS, json.dumps(self.facts, indent=1))
        (self.folder / _DONE).unlink()
        os.replace(self.folder, out)

    def _pack(self, packed: Path) -> None:
        """Packs the arrays part by part and without times, so that the same features are the same bytes."""
        with packed.open("wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
                for source in sorted(self.folder.glob("*.npy")):
                    entry = zipfile.ZipInfo(source.name)
                    with source.open("rb") as part, archive.open(entry, "w", force_zip64=True) as target:
                        shutil.copyfileobj(part, target, 2**22)
                archive.writestr(zipfile.ZipInfo(FACTS), json.dumps(self.facts, indent=1))
            file.flush()
            os.fsync(file.fileno())

    def _query_index(self) -> dict[str, npt.NDArray]:
        """Indices of the queries in the source, by array."""
        return query_arrays(self.dataset.splits()["validation"], self.dataset.splits()["test"])

    def _batches(self, name: str) -> list[slice]:
        """Rows of an array that are not done, batch by batch; of training images a batch has all views."""
        views = self.facts["train_views"] if name == "train_views" else 1
        size, count = max(1, self.facts["batch"] // views), len(self.arrays[name])
        return [slice(start, min(start + size, count)) for start in range(self.done[name], count, size)]

    def _features(self, name: str, backbone: FrozenBackbone, rows: slice) -> npt.NDArray[np.float32]:
        """Features of the images of some rows: of training images all views of each, one after another."""
        splits, device = self.dataset.splits(), backbone.device
        if name != "train_views":
            index = splits["database"] if name == "database" else self._query_index()[name]
            return backbone.alone(self.dataset.images(index[rows], device))
        viewed = self.dataset.viewed(self.facts["views"], self.side)
        generator = torch.Generator().manual_seed(rows.start)
        every = torch.arange(rows.start, rows.stop).repeat_interleave(self.facts["train_views"])
        return backbone.alone(viewed.one_view(every, generator, device))

    def _save(self) -> None:
        for array in self.arrays.values():
            array.flush()
        write_atomically(self.folder / _DONE, json.dumps(self.done))
