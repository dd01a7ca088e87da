"""CIFAR-10 and CIFAR-100, from the binary files of the authors' page, image files or torchvision."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nsh_core.array_files import bytes_of
from nsh_core.data import splits as protocols
from nsh_core.data.dataset import Stored
from nsh_core.data.decode import decoded
from nsh_core.data.fetching import fetched
from nsh_core.data.fingerprint import fingerprint_of
from nsh_core.data.images import Images
from nsh_core.data.places import root_of
from nsh_core.data.sources import train_and_test
from nsh_core.errors import UserError

_Read = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]

_PROTOCOLS = ("cibhash", "59k")
_TRAIN, _TEST = 50_000, 10_000
_SIDE = 32
_PIXELS = 3 * _SIDE * _SIDE
_BATCHES = [(f"data_batch_{number}.bin", 10_000) for number in range(1, 6)]
_PARTS = ({"train": True}, {"train": False})


def cifar10(argument: str) -> Images:
    """CIFAR-10 by a protocol, mAP@1000.

    cibhash: 5,000 training images, 10,000 queries (the test images), the 50,000 training images are the database.
    59k: 100 queries per class, the rest is the database, 500 training images per class.

    Args:
        argument: The protocol; empty: cibhash.

    Raises:
        UserError: Another protocol, or images that are neither there nor can be fetched.
    """
    protocol = argument or _PROTOCOLS[0]
    if protocol not in _PROTOCOLS:
        raise UserError(f"dataset cifar10 knows the protocols {' and '.join(_PROTOCOLS)}, got {argument!r}")
    root = root_of("cifar10")
    if (root / "train").is_dir():
        images, content, labels = _image_files(root)
    else:
        images, labels = _read("cifar10", "cifar-10", "CIFAR10", [*_BATCHES, ("test_batch.bin", _TEST)], 1)
        content = fingerprint_of([images])
    split = protocols.cibhash(labels, _TRAIN) if protocol == "cibhash" else protocols.one_against_rest(labels, 100, 500)
    return Images(f"cifar10:{protocol}", images, content, labels, split, 1000)


def cifar100(argument: str) -> Images:
    """CIFAR-100 with its 100 fine labels, mAP@1000: the 50,000 training images train and are the database.

    Args:
        argument: Empty.

    Raises:
        UserError: An argument, or images that are neither there nor can be fetched.
    """
    root_of("cifar100", argument)
    files = [("train.bin", _TRAIN), ("test.bin", _TEST)]
    images, labels = _read("cifar100", "cifar-100", "CIFAR100", files, 2)
    split = protocols.all_train(_TRAIN, len(labels))
    return Images("cifar100", images, fingerprint_of([images]), labels, split, 1000)


def _image_files(root: Path) -> tuple[Stored, str, npt.NDArray[np.int64]]:
    """Images, their fingerprint and labels, of files in train/<class>/ and test/<class>/: classes go by their names."""
    paths, labels, train = train_and_test(root)
    if (train, len(paths) - train) != (_TRAIN, _TEST):
        raise UserError(
            f"{root} must hold CIFAR-10's {_TRAIN:,} images in train/ and {_TEST:,} in test/, got {train:,} and "
            f"{len(paths) - train:,}: imagefolder:{root} takes any number"
        )
    return *decoded(paths), labels


def _read(kind: str, archive: str, name: str, files: Sequence[tuple[str, int]], label_bytes: int) -> _Read:
    """Images [60,000, 3, 32, 32] and labels, training images first."""
    root = root_of(kind)
    for folder in (root, root / f"{archive}-batches-bin", root / f"{archive}-binary"):
        if (folder / files[0][0]).exists():
            return _binary(folder, files, label_bytes)
    by_hand = f"fetch https://www.cs.toronto.edu/~kriz/{archive}-binary.tar.gz and unpack it there"
    parts = fetched(kind, root, by_hand, name, _PARTS)
    images = np.concatenate([part.data for part in parts]).transpose(0, 3, 1, 2)
    return np.ascontiguousarray(images), np.concatenate([part.targets for part in parts]).astype(np.int64)


def _binary(folder: Path, files: Sequence[tuple[str, int]], label_bytes: int) -> _Read:
    """Records of label bytes, the last of which counts, and 3 x 32 x 32 pixel bytes."""
    width = label_bytes + _PIXELS
    records = [
        bytes_of(folder / name, count * width, f"{count:,} records of {width:,} bytes").reshape(count, width)
        for name, count in files
    ]
    every = np.concatenate(records)
    pixels = np.ascontiguousarray(every[:, label_bytes:]).reshape(-1, 3, _SIDE, _SIDE)
    return pixels, every[:, label_bytes - 1].astype(np.int64)
