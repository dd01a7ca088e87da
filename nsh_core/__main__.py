"""One run from the command line: python -m nsh_core train|evaluate|encode."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from nsh_core import cli
from nsh_core.config import make_config, read_mapping
from nsh_core.data import load_dataset
from nsh_core.errors import UserError
from nsh_core.evaluation import evaluate as evaluate_hasher
from nsh_core.files import write_atomically
from nsh_core.hasher import Hasher
from nsh_core.trainer import fit

app = typer.Typer(help=__doc__, add_completion=False, no_args_is_help=True)

_Dataset = Annotated[str, typer.Option(help="digits, or features:PATH.npz")]
_Set = Annotated[list[str], typer.Option("--set", help="override a setting: loss.num_positives=5")]


@app.command()
def train(
    dataset: _Dataset = "digits",
    config: Annotated[Path | None, typer.Option(help="YAML or JSON file of settings")] = None,
    assignments: _Set = [],  # noqa: B006
    seed: Annotated[int | None, typer.Option(help="seed of the run")] = None,
    out: Annotated[Path | None, typer.Option(help="folder for the trained hasher")] = None,
    checkpoints: Annotated[
        Path | None, typer.Option(help="folder for checkpoints; a stopped run goes on from there")
    ] = None,
) -> None:
    """Train one hasher; its metrics come last, a `name: value` a line."""
    settings = read_mapping(config) if config is not None else {}
    seeds = [] if seed is None else [f"seed={seed}"]
    final = make_config(settings, [*assignments, *seeds])
    data = load_dataset(dataset)
    columns = (
        TextColumn("epoch"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("train", total=final.train.epochs, note="")

        def show(record: dict[str, float]) -> None:
            note = f"loss {record['loss']:.3f}  val_map {record['val_map']:.4f}"
            progress.update(task, completed=int(record["epoch"]), note=note)

        hasher = fit(final, data, on_evaluation=show, checkpoints=checkpoints)
    if out is not None:
        hasher.save(out)
    print(f"config: {final.digest()}")
    print(f"train_seconds: {hasher.seconds:.3f}")
    _print_metrics(hasher.metrics)


@app.command()
def evaluate(
    model: Annotated[Path, typer.Option(help="folder of a trained hasher")], dataset: _Dataset = "digits"
) -> None:
    """Evaluate a trained hasher on a data set."""
    hasher = Hasher.load(model)
    data = load_dataset(dataset)
    if data.dim != hasher.dim:
        raise UserError(f"{dataset} has {data.dim} values an item, the hasher in {model} takes {hasher.dim}")
    metrics, _ = evaluate_hasher(hasher, data)
    _print_metrics(metrics)


@app.command()
def encode(
    model: Annotated[Path, typer.Option(help="folder of a trained hasher")],
    items: Annotated[Path, typer.Option("--input", help=".npy of items [N, D]")],
    out: Annotated[Path, typer.Option(help=".npy of packed codes, uint8 [N, ceil(K / 8)]")],
) -> None:
    """Encode items into packed codes."""
    hasher = Hasher.load(model)
    try:
        values = np.load(items, allow_pickle=False)
        codes = hasher.encode(values)
    except OSError as error:
        raise UserError(f"cannot read {items}: {error.strerror or error}") from None
    except (ValueError, TypeError, EOFError, AttributeError) as error:
        raise UserError(f"{items}: {error}") from None
    buffer = io.BytesIO()
    np.save(buffer, codes)
    write_atomically(out, buffer.getvalue())
    print(f"codes: {len(codes)} of {hasher.config.code_length} bits in {out}")


def _print_metrics(metrics: dict[str, float]) -> None:
    for name, value in metrics.items():
        print(f"{name}: {value:.6f}")


if __name__ == "__main__":
    cli.run(app)
