"""MNIST and Fashion-MNIST: grey images of 28 x 28 pixels, from IDX files, Debian's package or by torchvision."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nsh_core.data import splits as protocols
from nsh_core.data.fetching import fetched
from nsh_core.data.fingerprint import fingerprint_of
from nsh_core.data.idx import read_idx
from nsh_core.data.images import Images
from nsh_core.data.places import root_of
from nsh_core.errors import UserError

_DEBIAN = Path("/usr/share/datasets/fashion-mnist")
_PARTS = (("train", 60_000), ("t10k", 10_000))
_SIDE = 28
_CLASSES = 10


def fashion_mnist(argument: str) -> Images:
    """Fashion-MNIST (Xiao et al. 2017), clothes in 10 classes, mAP@1000: the 10,000 test images are queries.

    All 60,000 training images train and are the database; cibhash: 500 per class train, as on CIFAR-10.

    Args:
        argument: The protocol; empty: all train.

    Raises:
        UserError: Another protocol, or images that are neither there nor can be fetched.
    """
    by_hand = (
        "install Debian's package (apt-get install dataset-fashion-mnist), or put the four files of "
        "https://github.com/zalandoresearch/fashion-mnist there"
    )
    return _images("fashion_mnist", argument, "FashionMNIST", by_hand, [_DEBIAN])


def mnist(argument: str) -> Images:
    """MNIST (LeCun et al. 1998), handwritten digits, mAP@1000; as fashion_mnist.

    Args:
        argument: As for fashion_mnist.

    Raises:
        UserError: As fashion_mnist.
    """
    files = "train-images-idx3-ubyte, train-labels-idx1-ubyte and the same of t10k, with or without .gz"
    return _images("mnist", argument, "MNIST", f"put the files {files}, there", [])


def _images(kind: str, protocol: str, name: str, by_hand: str, elsewhere: Sequence[Path]) -> Images:
    """A data set of IDX files; name: what torchvision calls it, and the folder in which it keeps it."""
    if protocol not in ("", "cibhash"):
        raise UserError(f"dataset {kind} knows the protocol cibhash, or none: all train; got {protocol!r}")
    root = root_of(kind)
    kept = root / name / "raw"
    folder = next((one for one in (root, kept, *elsewhere) if _is_there(one)), None)
    if folder is None:
        fetched(kind, root, by_hand, name, [{"train": True}])
        folder = kept
    images = np.concatenate(
        [read_idx(folder / f"{part}-images-idx3-ubyte", (count, _SIDE, _SIDE)) for part, count in _PARTS]
    )[:, None]
    labels = np.concatenate([_labels(folder / f"{part}-labels-idx1-ubyte", count) for part, count in _PARTS])
    count = _PARTS[0][1]
    split = protocols.cibhash(labels, count) if protocol else protocols.all_train(count, len(labels))
    own = f"{kind}:{protocol}" if protocol else kind
    return Images(own, images, fingerprint_of([images]), labels, split, 1000)


def _is_there(folder: Path) -> bool:
    return any(folder.glob(f"{_PARTS[0][0]}-images-idx3-ubyte*"))


def _labels(file: Path, count: int) -> npt.NDArray[np.int64]:
    labels = read_idx(file, (count,))
    if labels.max() >= _CLASSES:
        raise UserError(f"{file} must hold labels from 0 to {_CLASSES - 1}, got {labels.max()}")
    return labels.astype(np.int64)
