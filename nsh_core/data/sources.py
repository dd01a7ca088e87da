"""Where image data sets come from: folders, list files, and the benchmarks of the field."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nsh_core.data import splits as protocols
from nsh_core.data.decode import decoded
from nsh_core.data.fingerprint import fingerprint_of
from nsh_core.data.images import Images
from nsh_core.data.lists import read_list
from nsh_core.data.places import data_folder, locate
from nsh_core.data.splits import Splits
from nsh_core.errors import UserError
from nsh_core.files import status_of
from nsh_core.metrics.relevance import Labels
from nsh_core.packages import need

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
    root = locate(argument)
    parts = [_by_class(root / part) for part in ("train", "test")]
    if parts[0].keys() != parts[1].keys():
        odd = sorted(parts[0].keys() ^ parts[1].keys())
        raise UserError(f"{root}: train/ and test/ must hold the same classes, only one of them has {', '.join(odd)}")
    paths, labels = [], []
    for part in parts:
        for label, name in enumerate(sorted(part)):
            paths += part[name]
            labels += [label] * len(part[name])
    count = sum(map(len, parts[0].values()))
    train = np.arange(count)
    split = protocols.with_halves(train, train, np.arange(count, len(paths)))
    return _images(f"imagefolder:{argument}", paths, np.array(labels), split, 1000)


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
    root = _root("nuswide", argument)
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
    root = _root("mscoco", argument)
    if all((root / file).exists() for file in _TRIPLE):
        return _triple("mscoco", root, 5000)
    paths, labels = _all_images("mscoco", root)
    kept = np.flatnonzero(labels.any(axis=1))
    split = protocols.at_random(len(kept), 5000, 10_000)
    return _images("mscoco", [root / paths[place] for place in kept], labels[kept], split, 5000)


def _root(kind: str, argument: str) -> Path:
    if argument:
        raise UserError(
            f"dataset {kind} takes no argument, got {argument!r}: set NSH_DATA to the folder that holds {kind}/"
        )
    return data_folder() / kind


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


_CIFAR_PROTOCOLS = ("cibhash", "59k")
_CIFAR_BATCHES = (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin")


def cifar10(argument: str) -> Images:
    """CIFAR-10 by a protocol, mAP@1000.

    cibhash: 5,000 training images, 10,000 queries (the test images), the 50,000 training images are the database.
    59k: 100 queries per class, the rest is the database, 500 training images per class.

    Args:
        argument: The protocol; empty: cibhash.

    Raises:
        UserError: Another protocol, or images that are neither there nor can be fetched.
    """
    protocol = argument or _CIFAR_PROTOCOLS[0]
    if protocol not in _CIFAR_PROTOCOLS:
        raise UserError(f"dataset cifar10 knows the protocols {' and '.join(_CIFAR_PROTOCOLS)}, got {argument!r}")
    root = data_folder() / "cifar10"
    for folder in (root, root / "cifar-10-batches-bin"):
        if (folder / _CIFAR_BATCHES[0]).exists():
            images, labels = _cifar_binary(folder)
            break
    else:
        images, labels = _cifar_torchvision(root)
    split = protocols.cibhash(labels, 50_000) if protocol == "cibhash" else protocols.one_against_rest(labels, 100, 500)
    content = fingerprint_of([images])
    return Images(f"cifar10:{protocol}", images, content, labels, split, 1000)


def _cifar_binary(folder: Path) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """The binary version of the authors' page: records of a label byte and 3 x 32 x 32 pixel bytes."""
    records = []
    for name in _CIFAR_BATCHES:
        try:
            size = status_of(folder / name).st_size
            if size != 10_000 * 3073:
                raise UserError(f"{folder / name} must hold 10,000 records of 3,073 bytes, got {size} bytes")
            records.append(np.fromfile(folder / name, np.uint8).reshape(10_000, 3073))
        except OSError as error:
            raise UserError(f"cannot read {folder / name}: {error.strerror or error}") from None
    both = np.concatenate(records)
    return np.ascontiguousarray(both[:, 1:]).reshape(-1, 3, 32, 32), both[:, 0].astype(np.int64)


def _cifar_torchvision(root: Path) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    where = (
        f"dataset cifar10 is not in {root}: fetch https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz and unpack "
        f"it there (NSH_DATA names another folder than {data_folder()}), or have torchvision fetch it where there is "
        "a network; that"
    )
    datasets = need("torchvision", where).datasets
    try:
        parts = [datasets.CIFAR10(os.fspath(root), train=train, download=True) for train in (True, False)]
    except (OSError, RuntimeError) as error:
        line = " ".join(str(error).split())
        raise UserError(f"{where} failed ({line})") from None
    images = np.concatenate([part.data for part in parts]).transpose(0, 3, 1, 2)
    return np.ascontiguousarray(images), np.concatenate([part.targets for part in parts]).astype(np.int64)
