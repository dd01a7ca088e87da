"""Small image data sets that tests make: a colour a class, with noise."""

from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = np.array([[200, 40, 40], [40, 200, 40], [40, 40, 200]])


def picture(labels: list[int], rng: np.random.Generator, size: tuple[int, int] = (16, 16)) -> Image.Image:
    """Stripes in the colours of the labels, with noise."""
    height, width = size
    stripes = COLOURS[np.array(labels)[np.arange(height) * len(labels) // height]]
    pixels = stripes[:, None, :] + rng.normal(0, 25, (height, width, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def make_folder(root: Path, train: int = 12, test: int = 4) -> None:
    """imagefolder of three classes; a file format each."""
    rng = np.random.default_rng(0)
    for part, count in (("train", train), ("test", test)):
        for label, ending in enumerate(("png", "jpg", "bmp")):
            folder = root / part / f"class {label}"
            folder.mkdir(parents=True)
            for number in range(count):
                picture([label], rng).save(folder / f"{number}.{ending}")


def make_list(root: Path, count: int = 60, name: str = "images.txt") -> np.ndarray:
    """A list file of images with one or two of three labels; returns the labels [count, 3]."""
    rng = np.random.default_rng(1)
    (root / "some images").mkdir(parents=True, exist_ok=True)
    labels = np.zeros((count, 3), int)
    lines = []
    for number in range(count):
        own = sorted(rng.choice(3, rng.integers(1, 3), replace=False).tolist())
        labels[number, own] = 1
        path = f"some images/{number} a.png"
        picture(own, rng).save(root / path)
        lines.append(f"{path} {' '.join(map(str, labels[number]))}")
    (root / name).write_text("\n".join(lines) + "\n")
    return labels
