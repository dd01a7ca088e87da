"""Features larger than memory: python -m benchmarks.million --dataset features:cifar10_mobilenetv2.npz --out FOLDER.

Items are real ones with noise around them: of the database, each with the label of the item that it is made of, and of
the training items two of their views each. Noise is Gaussian, its deviation a share of that of each feature; what is
positive in all real items stays so. Queries are the real ones. The folder is one of features, in float16, written a
part at a time.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from nsh_core import cli, load_dataset
from nsh_core.array_files import new_array
from nsh_core.data import Features
from nsh_core.data.dataset import Split
from nsh_core.data.splits import query_arrays
from nsh_core.errors import UserError
from nsh_core.files import partial_of
from nsh_core.progress import progress_bar

_ROWS = 4096
_VIEWS = 2
_DTYPE = np.float16

app = typer.Typer(add_completion=False)


@app.command()
def main(
    dataset: Annotated[str, typer.Option(help="of features")],
    out: Annotated[Path, typer.Option(help="folder to write")],
    items: Annotated[int, typer.Option(help="of the database", min=1)] = 1_000_000,
    train: Annotated[int, typer.Option(help="training items", min=4)] = 1_000_000,
    noise: Annotated[float, typer.Option(help="share of each feature's deviation", min=0)] = 0.5,
) -> None:
    """Write the folder."""
    data = load_dataset(dataset)
    if not isinstance(data, Features):
        raise UserError(f"{dataset} is no data set of features")
    if out.exists():
        raise UserError(f"{out} is there already: remove it, or choose another folder")
    working = partial_of(out)
    shutil.rmtree(working, ignore_errors=True)
    working.mkdir(parents=True)
    rng = np.random.default_rng(0)
    sigma = (noise * data.training_moments[1].sqrt().float()).numpy()
    lowest = 0 if data.training_facts.lowest >= 0 else -np.inf

    def around(real: torch.Tensor) -> np.ndarray:
        values = real.numpy() + sigma * rng.standard_normal(real.shape, np.float32)
        return np.maximum(values, lowest).astype(_DTYPE)

    views = new_array(working / "train_views.npy", _DTYPE, (train, _VIEWS, data.dim))
    database = new_array(working / "database.npy", _DTYPE, (items, data.dim))
    source = rng.integers(0, len(data.database), items)
    generator = torch.Generator().manual_seed(0)
    with progress_bar("items") as progress:
        for start in progress.track(range(0, items, _ROWS)):
            part = slice(start, start + _ROWS)
            database[part] = around(_values(data.database, source[part]))
        for start in progress.track(range(0, train, _ROWS)):
            index = torch.from_numpy(rng.integers(0, data.num_train, min(_ROWS, train - start)))
            pair = data.views(index, index, generator, torch.device("cpu"))
            views[start : start + _ROWS] = np.stack([around(view) for view in pair], axis=1)
    queries = [_values(split, np.arange(len(split))).numpy().astype(_DTYPE) for split in (data.validation, data.test)]
    arrays = query_arrays(*queries)
    arrays |= {f"{name}_labels": own for name, own in query_arrays(data.validation.labels, data.test.labels).items()}
    for name, array in (arrays | {"database_labels": data.database.labels[source]}).items():
        np.save(working / f"{name}.npy", array)
    views.flush()
    database.flush()
    working.rename(out)


def _values(split: Split, index: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(split.rows(index).astype(np.float32) * np.float32(split.scale))


if __name__ == "__main__":
    cli.run(app)
