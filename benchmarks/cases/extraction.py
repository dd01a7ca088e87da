"""Features of images from a frozen backbone, beside the same network in torch's plain eager mode."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.cases.case import Case
from nsh_core.backbones import build_backbone
from nsh_core.data import Images, load_dataset
from nsh_core.data.splits import with_halves
from nsh_core.extraction import extract
from nsh_core.frozen import device_of_frozen
from nsh_core.sections import ImageConfig

_BATCH = 64
_VIEWS = 2
_NAMES = ("train_views", "database", "query")


def extraction_cases(count: int, device: torch.device, image: ImageConfig) -> list[Case]:
    """A whole extraction of images of 32 pixels, a half of them views: views, scaling, network and writing.

    Args:
        count: Images and views that the network sees, a multiple of 8.
        device: Where both run; there is no case where frozen backbones compute elsewhere.
        image: The backbone.
    """
    if device.type != device_of_frozen().type:
        return []
    dataset = _pictures(count)
    net = build_backbone(image).to(device).eval()

    def project() -> dict[str, npt.NDArray]:
        with tempfile.TemporaryDirectory() as folder:
            extract(dataset, image, Path(folder) / "f", views=_VIEWS, batch=_BATCH, dtype=np.float32)
            features = load_dataset(f"features:{folder}/f")
            return {name: np.array(array) for name, array in features._arrays().items() if name in _NAMES}

    @torch.inference_mode()
    def reference() -> dict[str, npt.NDArray]:
        splits = dataset.splits()
        queries = np.sort(np.concatenate([splits["validation"], splits["test"]]))
        plain = {"database": splits["database"], "query": queries}
        found = {name: [net(dataset.images(part, device)) for part in _parts(index)] for name, index in plain.items()}
        viewed = dataset.viewed(image.views, image.size)
        found["train_views"] = []
        for part in _parts(np.arange(dataset.num_train), _BATCH // _VIEWS):
            index = torch.from_numpy(part).repeat_interleave(_VIEWS)
            views = viewed.one_view(index, torch.Generator().manual_seed(int(part[0])), device)
            found["train_views"].append(net(views).unflatten(0, (-1, _VIEWS)))
        return {name: torch.cat(parts).cpu().numpy() for name, parts in found.items()}

    def error() -> float:
        ours, eager = project(), reference()
        return max(float(np.abs(ours[name] - eager[name]).max()) for name in _NAMES)

    name = f"extraction_{image.backbone}"
    return [Case(name, count, project, "eager mode, batches of 64", reference, error)]


def _parts(index: npt.NDArray, size: int = _BATCH) -> Iterator[npt.NDArray]:
    for start in range(0, len(index), size):
        yield index[start : start + size]


def _pictures(count: int) -> Images:
    """Images of coloured noise, of which `count` features are extracted: a half views, 3/8 database, 1/8 queries."""
    train, database, queries = count // 2 // _VIEWS, 3 * count // 8, count // 8
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (database + queries, 3, 4, 4), dtype=np.uint8)
    images = coarse.repeat(8, axis=2).repeat(8, axis=3)
    labels = np.arange(len(images)) % 10
    every = np.arange(len(images))
    split = with_halves(every[:train], every[:database], every[database:])
    return Images("noise", images, "noise", labels, split, None)
