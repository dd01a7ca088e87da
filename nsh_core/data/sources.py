"""Where image data sets come from: folders, list files, NUS-WIDE and MS-COCO."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from nsh_core.data import splits as protocols
from nsh_core.data.decode import decoded
from nsh_core.data.images import Images
from nsh_core.data.lists import read_list
from nsh_core.data.places import data_folder, locate, root_of
from nsh_core.data.splits import Splits
from nsh_core.errors import UserError
from nsh_core.metrics.relevance import Labels

_TRIPLE = ("train.txt", "test.txt", "database.txt")
_ALL = "images.txt"
IMAGE_ENDINGS = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".ppm", ".tif", ".tiff"}


def image_folder(argument: str) -> Images:
    """imagefolder:DIR with train/<class>/ and test/<class>/: training images are the database, test images queries.

    Args:
        argument: DIR.

    Raises:
        UserError: There is no such folder, its two parts have other classes, or an image cannot be read.
    """
    if not argument:
        raise UserError("dataset imagefolder wants a folder: imagefolder:DIR with train/<class>/ and test/<class>/")
    paths, labels, count = train_and_test(locate(argument))
    return _images(f"imagefolder:{argument}", paths, labels, protocols.all_train(count, len(paths)), 1000)


def train_and_test(root: Path) -> tuple[list[Path], npt.NDArray[np.int64], int]:
    """Image files in train/<class>/ and test/<class>/ of a folder.

    Args:
        root: The folder.

    Returns:
        The files, training images first; labels [N], the place of the class by its name; how many are training images.

    Raises:
        UserError: There are none, or the two parts have other classes.
    """
    parts = [_by_class(root / part) for part in ("train", "test")]
    if parts[0].keys() != parts[1].keys():
        odd = sorted(parts[0].keys() ^ parts[1].keys())
        raise UserError(f"{root}: train/ and test/ must hold the same classes, only one of them has {', '.join(odd)}")
    paths, labels = [], []
    for part in parts:
        for label, name in enumerate(sorted(part)):
            paths += part[name]
            labels += [label] * len(part[name])
    return paths, np.array(labels), sum(map(len, parts[0].values()))


def _by_class(folder: Path) -> dict[str, list[Path]]:
    """Image files in order by the name of their class's folder."""
    try:
        classes = sorted(entry for entry in folder.iterdir() if entry.is_dir())
    except OSError as error:
        raise UserError(f"cannot read {folder}, a folder of images by class: {error.strerror or error}") from None
    found = {entry.name: image_files(entry) for entry in classes}
    empty = [name for name, files in found.items() if not files]
    if empty or not found:
        raise UserError(f"{folder}: no images in {', '.join(empty) if empty else 'any folder of a class'}")
    return found


def image_files(folder: Path) -> list[Path]:
    """All image files in a folder and in those within it, in order; images are told by the endings of their names.

    Args:
        folder: Where they are.
    """
    return sorted(file for file in folder.rglob("*") if file.suffix.lower() in IMAGE_ENDINGS)


def list_file(argument: str) -> Images:
    """list:FILE of `path l1 ... lL` lines, split at random: a tenth, at most 5,000, queries, at most 10,000 train.

    list:DIR with train.txt, test.txt and database.txt: split as they say. Paths are relative to the list's folder.

    Args:
        argument: FILE or DIR.

    Raises:
        UserError: A list or an image cannot be read, or there are too few images.
    """
    if not argument:
        raise UserError(
            "dataset list wants a file or folder: list:FILE, or list:DIR with train.txt, test.txt, database.txt"
        )
    where = locate(argument)
    name = f"list:{argument}"
    if where.is_dir():
        return _triple(name, where, 1000)
    paths, labels = read_list(where)
    queries = min(5000, len(paths) // 10)
    split = protocols.at_random(len(paths), queries, min(10_000, len(paths) - queries))
    return _images(name, [where.parent / path for path in paths], labels, split, 1000)


def nuswide(argument: str) -> Images:
    """NUS-WIDE, 21 most frequent labels: 100 queries and 500 training images per label, mAP@5000.

    With train.txt, test.txt and database.txt beside the images: labels and split as they say.

    Args:
        argument: Empty.

    Raises:
        UserError: An argument, or files that are missing or do not fit.
    """
    root = root_of("nuswide", argument)
    if all((root / file).exists() for file in _TRIPLE):
        return _triple("nuswide", root, 5000)
    paths, labels = _all_images("nuswide", root)
    frequent = np.sort(np.argsort(-labels.sum(axis=0, dtype=np.int64), kind="stable")[:21])
    labels = labels[:, frequent]
    kept = np.flatnonzero(labels.any(axis=1))
    split = protocols.one_against_rest(labels[kept], 100, 500)
    return _images("nuswide", [root / paths[place] for place in kept], labels[kept], split, 5000)


def mscoco(argument: str) -> Images:
    """MS-COCO, images with at least one of 80 labels: 5,000 queries, 10,000 training images, mAP@5000.

    With train.txt, test.txt and database.txt beside the images: labels and split as they say.

    Args:
        argument: Empty.

    Raises:
        UserError: An argument, or files that are missing or do not fit.
    """
    root = root_of("mscoco", argument)
    if all((root / file).exists() for file in _TRIPLE):
        return _triple("mscoco", root, 5000)
    paths, labels = _all_images("mscoco", root)
    kept = np.flatnonzero(labels.any(axis=1))
    split = protocols.at_random(len(kept), 5000, 10_000)
    return _images("mscoco", [root / paths[place] for place in kept], labels[kept], split, 5000)


_SOURCES = {
    "nuswide": "images from https://lms.comp.nus.edu.sg/wp-content/uploads/2019/research/nuswide/NUS-WIDE.html, "
    "lists from https://github.com/thuml/HashNet",
    "mscoco": "train2014 and val2014 from https://cocodataset.org/#download, lists from https://github.com/thuml/HashNet",
}


def _all_images(kind: str, root: Path) -> tuple[list[str], npt.NDArray[np.uint8]]:
    if not (root / _ALL).exists():
        raise UserError(
            f"dataset {kind} is not in {root}: fetch {_SOURCES[kind]}, and put the images there with {_ALL}, a line "
            f"`path l1 ... lL` each, or with {', '.join(_TRIPLE)}; NSH_DATA names another folder than {data_folder()}"
        )
    return read_list(root / _ALL)


def _triple(name: str, root: Path, map_at: int) -> Images:
    """Images of train.txt, test.txt and database.txt; a path in several of them is one image."""
    place: dict[str, int] = {}
    rows: list[npt.NDArray[np.uint8]] = []
    parts = []
    for file in _TRIPLE:
        paths, labels = read_list(root / file)
        if rows and labels.shape[1] != len(rows[0]):
            raise UserError(f"{root / file} has {labels.shape[1]} labels a line, {_TRIPLE[0]} has {len(rows[0])}")
        for path, row in zip(paths, labels, strict=True):
            if path not in place:
                place[path] = len(rows)
                rows.append(row)
        parts.append(np.array([place[path] for path in paths]))
    train, queries, database = parts
    split = protocols.with_halves(train, database, queries)
    return _images(name, [root / path for path in place], np.stack(rows), split, map_at)


def _images(name: str, paths: list[Path], labels: Labels, split: Splits, map_at: int) -> Images:
    images, content = decoded(paths)
    return Images(name, images, content, labels, split, map_at)
