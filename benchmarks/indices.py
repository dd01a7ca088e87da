"""Kinds of indices side by side: python -m benchmarks.indices --dataset features:cifar10_mobilenetv2.npz.

A hasher of each length is trained for two epochs. The database are codes of blends of two items of the data set's
database, at most 40% the second, the queries are codes of its test queries; each is searched for the 10 nearest. Times
are of the processor, on one core, so that other work beside it does not count. Recall counts hits that are no farther
than the tenth nearest.
"""

from __future__ import annotations

import time
from typing import Annotated

import numpy as np
import torch
import typer

from nsh_core import Hasher, cli, fit, load_dataset, make_config
from nsh_core.codes import PackedCodes
from nsh_core.data import Dataset
from nsh_core.search.kinds import faiss, kind_named

_ROWS = 50_000
_TOP = 10
_MOST = 0.4

app = typer.Typer(add_completion=False)


@app.command()
def main(
    dataset: Annotated[str, typer.Option(help="of features")],
    bits: Annotated[list[int], typer.Option(help="code lengths")] = [16, 32, 64, 128],  # noqa: B006
    count: Annotated[list[int], typer.Option(help="codes of the database")] = [1_000_000, 3_000_000],  # noqa: B006
    kinds: Annotated[list[str], typer.Option("--kind")] = ["flat", "multihash"],  # noqa: B006
    queries: Annotated[int, typer.Option(help="how many")] = 200,
) -> None:
    """Measure and print a table in Markdown."""
    torch.set_num_threads(1)
    faiss().omp_set_num_threads(1)
    data = load_dataset(dataset)
    print("| bits | codes | 10th nearest | kind | s to build | MB | ms a query | recall |")
    print("|---|---|---|---|---|---|---|---|")
    for length in bits:
        hasher = fit(make_config({"code_length": length, "train": {"epochs": 2}}), data, test=False)
        database, asked = _blends(hasher, data, max(count)), hasher.encode(data.test)[:queries]
        for size in count:
            _compare(database[:size], asked, kinds)


def _blends(hasher: Hasher, data: Dataset, count: int) -> PackedCodes:
    rng = np.random.default_rng(0)
    items = torch.cat(list(data.database.batches()))
    codes = []
    for start in range(0, count, _ROWS):
        first, second = (torch.from_numpy(rng.integers(0, len(items), min(_ROWS, count - start))) for _ in range(2))
        share = torch.from_numpy(rng.uniform(0, _MOST, (len(first), 1)).astype(np.float32))
        codes.append(hasher.encode(torch.lerp(items[first], items[second], share), any_scale=True))
    return np.concatenate(codes)


def _compare(database: PackedCodes, queries: PackedCodes, kinds: list[str]) -> None:
    true = None
    for name in ("flat", *(one for one in kinds if one != "flat")):
        kind = kind_named(name, len(database), 8 * database.shape[1])
        start = time.process_time()
        index = kind.make(len(database), 8 * database.shape[1])
        index.add(database)
        built = time.process_time() - start
        start = time.process_time()
        distances, _ = kind.search(index, queries, _TOP)
        seconds = (time.process_time() - start) / len(queries)
        true = distances if true is None else true
        recall = (distances <= true[:, -1:]).mean()
        size = len(faiss().serialize_index_binary(index)) / 2**20
        print(
            f"| {8 * database.shape[1]} | {len(database):,} | {np.median(true[:, -1]):.0f} | {name} | {built:.1f} "
            f"| {size:.0f} | {1000 * seconds:.2f} | {recall:.3f} |",
            flush=True,
        )


if __name__ == "__main__":
    cli.run(app)
