"""Whether a frozen backbone knows a data set: python -m benchmarks.neighbors --dataset cifar10 --images 1000.

Of some test images, as many of each class, prints the accuracy of the 20 nearest others (by the cosine of their
features, the most frequent class wins), by the backbone as it is extracted and in torch's plain eager mode; the least
cosine between the two; and images a second of both.
"""

from __future__ import annotations

import time
from typing import Annotated

import numpy as np
import numpy.typing as npt
import torch
import typer
from sklearn.neighbors import NearestNeighbors

from nsh_core import cli, load_dataset, make_config
from nsh_core.backbones import build_backbone
from nsh_core.data import Images
from nsh_core.data.splits import SPLIT_SEED, per_label
from nsh_core.errors import UserError
from nsh_core.frozen import FrozenBackbone

_NEIGHBORS = 20
_BATCH = 64

app = typer.Typer(add_completion=False)


@app.command()
def main(
    dataset: Annotated[str, typer.Option(help="of images with one label each")] = "cifar10",
    backbone: Annotated[str, typer.Option(help="as image.backbone")] = "efficientnet_lite0",
    size: Annotated[int, typer.Option(help="as image.size")] = 224,
    images: Annotated[int, typer.Option(help="how many test images, a multiple of the number of classes")] = 1000,
    eager: Annotated[bool, typer.Option(help="also in eager mode")] = True,
) -> None:
    """Measure and print."""
    image = make_config({"image": {"backbone": backbone, "size": size}}).image
    data = load_dataset(dataset)
    if not isinstance(data, Images) or data.test.labels.ndim != 1:
        raise UserError(f"--dataset must hold images with one label each, got {dataset}")
    some = per_label(data.test.labels, np.arange(len(data.test)), images // len(np.unique(data.test.labels)),
                     np.random.default_rng(SPLIT_SEED))  # fmt: skip
    labels = data.test.labels[some]
    pictures = data.images(data.splits()["test"][some])
    frozen = FrozenBackbone(image)
    start = time.perf_counter()
    found = frozen(pictures)
    print(f"images: {len(found)}")
    print(f"threads: {torch.get_num_threads()}")
    print(f"images_per_second: {len(found) / (time.perf_counter() - start):.1f}")
    print(f"accuracy: {accuracy(found, labels):.4f}")
    if eager:
        net = build_backbone(image).to(frozen.device).eval()
        start = time.perf_counter()
        with torch.inference_mode():
            plain = torch.cat([net(batch.to(frozen.device)).cpu() for batch in pictures.split(_BATCH)]).numpy()
        print(f"eager_images_per_second: {len(plain) / (time.perf_counter() - start):.1f}")
        print(f"eager_accuracy: {accuracy(plain, labels):.4f}")
        print(f"least_cosine: {(_normed(found) * _normed(plain)).sum(axis=1).min():.7f}")


def accuracy(features: npt.NDArray, labels: npt.NDArray) -> float:
    """Share of items whose class is the most frequent one of their 20 nearest neighbours by cosine, itself left out.

    Args:
        features: [N, D].
        labels: [N].
    """
    model = NearestNeighbors(n_neighbors=_NEIGHBORS, metric="cosine").fit(features)
    nearest = model.kneighbors(return_distance=False)  # of each item that it was fitted on, without itself
    votes = (labels[nearest][:, :, None] == np.unique(labels)).sum(axis=1)
    return float((np.unique(labels)[votes.argmax(axis=1)] == labels).mean())


def _normed(features: npt.NDArray) -> npt.NDArray:
    return features / np.linalg.norm(features, axis=1, keepdims=True)


if __name__ == "__main__":
    cli.run(app)
