"""STL-10, from the binary files of the authors' page or by torchvision."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from nsh_core.array_files import bytes_of
from nsh_core.data import splits as protocols
from nsh_core.data.fetching import fetched
from nsh_core.data.fingerprint import fingerprint_of
from nsh_core.data.images import Images
from nsh_core.data.places import root_of

_FOLDER = "stl10_binary"
_PARTS = (("train", 5_000), ("test", 8_000))
_SIDE = 96


def stl10(argument: str) -> Images:
    """STL-10 (Coates et al. 2011), 10 classes, mAP@1000: 5,000 images train and are the database, 8,000 are queries.

    Its 100,000 images without labels are left alone.

    Args:
        argument: Empty.

    Raises:
        UserError: An argument, or images that are neither there nor can be fetched.
    """
    root = root_of("stl10", argument)
    if not (root / _FOLDER / "train_X.bin").exists():
        by_hand = f"fetch http://ai.stanford.edu/~acoates/stl10/{_FOLDER}.tar.gz and unpack it there"
        fetched("stl10", root, by_hand, "STL10", [{"split": "train"}])
    pixels = [_bytes(root / _FOLDER / f"{part}_X.bin", count, 3 * _SIDE * _SIDE) for part, count in _PARTS]
    # Columns come first.
    images = np.ascontiguousarray(np.concatenate(pixels).reshape(-1, 3, _SIDE, _SIDE).transpose(0, 1, 3, 2))
    labels = np.concatenate([_bytes(root / _FOLDER / f"{part}_y.bin", count, 1)[:, 0] for part, count in _PARTS])
    split = protocols.all_train(_PARTS[0][1], len(labels))
    return Images("stl10", images, fingerprint_of([images]), labels.astype(np.int64), split, 1000)


def _bytes(file: Path, count: int, width: int) -> npt.NDArray[np.uint8]:
    return bytes_of(file, count * width, f"{count:,} times {width:,} bytes").reshape(count, width)
