"""The table of methods, in Markdown: python benchmarks/methods.py --dataset digits."""

from __future__ import annotations

import statistics
import sys
from collections import defaultdict
from pathlib import Path
from typing import Annotated

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import typer

from nsh_core import cli, load_dataset, make_config, methods
from nsh_core.data import Dataset
from nsh_core.methods import DeepMethod
from nsh_core.training import step_seconds

_ROUNDS = 5

app = typer.Typer(add_completion=False)


def steps(dataset: Dataset) -> dict[str, float]:
    """Seconds of a whole training step (views, model, loss, optimiser) of each deep method, medians of turns.

    Args:
        dataset: Whose items; all settings are the defaults.
    """
    seconds = defaultdict[str, list[float]](list)
    deep = [name for name in methods.names() if issubclass(methods.method(name), DeepMethod)]
    for _ in range(_ROUNDS):
        for name in deep:
            seconds[name].append(step_seconds([make_config({"method": {"name": name}})], dataset))
    return {name: statistics.median(own) for name, own in seconds.items()}


def table(dataset: Dataset) -> str:
    """A row a method: name, paper, what it learns from, seconds of a step.

    Args:
        dataset: As for steps.
    """
    found = steps(dataset)
    rows = [["method", "paper", "learns from", "ms a step"], ["---"] * 4]
    for name in methods.names():
        kind = methods.method(name)
        shown = f"{1000 * found[name]:.1f}" if name in found else "closed form"
        rows.append([name, kind.paper, kind.information, shown])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


@app.command()
def main(dataset: Annotated[str, typer.Option(help="as of python -m nsh_core train")] = "digits") -> int:
    """Print what each method is, what it learns from, and what a step costs with the default settings."""
    print(table(load_dataset(dataset)), end="")
    return 0


if __name__ == "__main__":
    cli.run(app)
