"""The table of sorters, in Markdown: python benchmarks/sorters.py."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import numpy as np
import torch
import typer

from benchmarks.cases.sorted_nce import step_of
from benchmarks.independent import MATRICES, gradient
from benchmarks.measure import medians
from nsh_core import cli, sorters

_N, _KEYS = 8, 3
_SIZES = (64, 256)

app = typer.Typer(add_completion=False)


def differences(name: str) -> tuple[float, float | None]:
    """Largest difference of a sorter's matrix, and of a gradient of it, from the independent computation.

    On three sets of eight keys in double precision, at the sorter's default temperature; masks of 1 to 7 ranks for a
    sorter without lists.

    Args:
        name: Of a sorter.

    Returns:
        Of the matrix, and of the gradient of its sum with random weights; none where keys have no gradient.
    """
    more: dict[str, Any] = {"iterations": 1000} if name == "sinkhorn" else {}
    sorter = sorters.build_masks(name, **more)
    of_matrix, of_gradient = list[float](), list[float]()
    for seed in range(_KEYS):
        rng = np.random.default_rng(seed)
        keys = rng.normal(size=_N) * 3
        given = torch.tensor(keys)[None].requires_grad_()
        matrix = sorter.permutation(given) if isinstance(sorter, sorters.Sorter) else sorter.first(given, range(1, _N))
        expected = MATRICES[name](keys, sorter.temperature)
        of_matrix.append(float(np.abs(matrix.detach().numpy()[0] - expected).max()))
        if matrix.requires_grad:
            weights = rng.normal(size=expected.shape)
            ours = torch.autograd.grad((matrix[0] * torch.tensor(weights)).sum(), given)[0][0].numpy()
            of_gradient.append(float(np.abs(ours - gradient(name, keys, weights, sorter.temperature)).max()))
    return max(of_matrix), max(of_gradient, default=None)


def table(sizes: tuple[int, ...]) -> str:
    """A row a sorter: name, paper, differences, and seconds of a step for each n.

    Args:
        sizes: n of the steps, 64 bits, forward and backward, in turns.
    """
    columns = ["sorter", "paper", "matrix differs by", "gradient differs by", *(f"ms a step, n = {n}" for n in sizes)]
    cpu = torch.device("cpu")
    seconds = [medians({name: step_of(name, n, cpu) for name in MATRICES}, cpu) for n in sizes]
    rows = [columns, ["---"] * len(columns)]
    for name in MATRICES:
        found = ["" if value is None else f"{value:.0e}" for value in differences(name)]
        rows.append([name, sorters.backend(name).paper, *found, *(f"{1000 * own[name]:.1f}" for own in seconds)])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


@app.command()
def main() -> int:
    """Print what each sorter is, how far it is from an independent computation, and what a step costs."""
    torch.set_flush_denormal(True)
    print(table(_SIZES), end="")
    return 0


if __name__ == "__main__":
    cli.run(app)
