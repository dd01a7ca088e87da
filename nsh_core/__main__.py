"""One run from the command line: nsh, or python -m nsh_core, train|evaluate|encode|index|search|features."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.progress import TextColumn

from nsh_core import cli, plugins
from nsh_core.config import Config, make_config
from nsh_core.data import Dataset, Images, load_dataset, usage
from nsh_core.distributed import processes, rank
from nsh_core.errors import UserError
from nsh_core.evaluation import evaluate as evaluate_hasher
from nsh_core.extraction import extract
from nsh_core.files import check_folder, partial_of
from nsh_core.hasher import FILE as HASHER_FILE
from nsh_core.hasher import Hasher
from nsh_core.measures import Evidence
from nsh_core.options import AnyScale, Bits, ModelFolder, Plugins
from nsh_core.preparation import prepared
from nsh_core.progress import progress_bar
from nsh_core.registry import BACKBONES
from nsh_core.search import commands
from nsh_core.settings import dotted, read_mapping
from nsh_core.shortened import shortened
from nsh_core.training import fit

app = typer.Typer(help=__doc__, add_completion=False, no_args_is_help=True)
for command in (commands.encode, commands.index, commands.search):
    app.command()(command)

_SHOWN = 3  # settings that differ
_Dataset = Annotated[str, typer.Option(help=usage())]
_Set = Annotated[list[str], typer.Option("--set", help="override a setting: loss.num_positives=5")]


@app.command()
def train(
    dataset: _Dataset = "digits",
    config: Annotated[Path | None, typer.Option(help="YAML or JSON file of settings")] = None,
    assignments: _Set = [],  # noqa: B006
    plugin: Plugins = [],  # noqa: B006
    seed: Annotated[int | None, typer.Option(help="seed of the run")] = None,
    out: Annotated[Path | None, typer.Option(help="folder for the trained hasher")] = None,
    checkpoints: Annotated[
        Path | None, typer.Option(help="folder for checkpoints; a stopped run goes on from there")
    ] = None,
) -> None:
    """Train one hasher; its metrics come last, a `name: value` a line. Under torchrun several GPUs share each batch.

    A folder that holds a hasher of another config or data set is refused.
    """
    plugins.load(plugin)
    settings = read_mapping(config) if config is not None else {}
    seeds = [] if seed is None else [f"seed={seed}"]
    final = make_config(settings, [*assignments, *seeds])
    data = load_dataset(dataset)
    if out is not None:
        check_folder(out)
        _refuse_another(out, final, data)
    with processes(), progress_bar("epoch", TextColumn("{task.fields[note]}")) as progress:
        if rank() == 0:
            _print_labels(data)
            if out is None:
                print("note: the hasher will not be kept: --out FOLDER saves it")
        task = progress.add_task("train", total=final.train.epochs, note="")

        def show(record: dict[str, float]) -> None:
            note = f"loss {record['loss']:.3f}  val_map {record['val_map']:.4f}"
            progress.update(task, completed=int(record["epoch"]), note=note)

        hasher = fit(final, data, on_evaluation=show, checkpoints=checkpoints)
        if rank() > 0:
            return
    try:
        if out is not None:
            hasher.save(out)
            print(f"hasher: {out}")
    finally:
        print(f"config: {final.digest()}")
        print(f"train_seconds: {hasher.seconds:.3f}")
        _print_metrics(hasher.metrics)


def _refuse_another(folder: Path, config: Config, data: Dataset) -> None:
    """Raises UserError where a folder holds a hasher that training would not give again."""
    if not (folder / HASHER_FILE).exists():
        return
    instead = "remove it, or choose another folder"
    try:
        known = Hasher.load(folder)
    except UserError as error:
        raise UserError(f"{folder} holds a hasher already, and {error}: {instead}") from None
    if known.config.digest() != config.digest():
        theirs, own = (dotted(one.model_dump(mode="json")) for one in (known.config, config))
        differ = [name for name in theirs | own if theirs.get(name) != own.get(name)][:_SHOWN]
        told = "; ".join(f"{name} = {theirs.get(name)}, this run: {own.get(name)}" for name in differ)
        raise UserError(f"{folder} holds a hasher of another config ({told}): {instead}")
    fingerprint = prepared(config, data).fingerprint()
    if known.data is None or known.data.fingerprint != fingerprint:
        held = "unknown" if known.data is None else f"{known.data.name} {known.data.fingerprint}".strip()
        raise UserError(
            f"{folder} holds a hasher of another data set ({held}, this run: {data.name} {fingerprint}): {instead}"
        )


@app.command()
def evaluate(
    model: ModelFolder,
    dataset: _Dataset = "digits",
    bits: Bits = None,
    any_scale: AnyScale = False,
    plugin: Plugins = [],  # noqa: B006
) -> None:
    """Evaluate a trained hasher on a data set."""
    plugins.load(plugin)
    hasher = Hasher.load(model)
    hasher = hasher if bits is None else shortened(hasher, bits)
    data = prepared(hasher.config, load_dataset(dataset))
    takes = "images" if hasher.model.backbone is not None else f"{hasher.dim} values an item"
    has = "images" if isinstance(data, Images) else f"{data.dim} values an item"
    if has != takes:
        raise UserError(f"{dataset} has {has}, the hasher in {model} takes {takes}")
    for part in () if any_scale else ("database", "validation", "test"):
        hasher.check_kind(f"{dataset}: items of {part}", getattr(data, part).batches())
    _print_labels(data)
    losses = hasher.history[-1] if hasher.history else {}
    _print_metrics(evaluate_hasher(Evidence(hasher, data, hasher.encode(data.database), losses)).metrics)


@app.command()
def features(
    dataset: _Dataset,
    out: Annotated[Path, typer.Option(help="a file ending in .npz, or a folder to map into memory, for large sets")],
    backbone: Annotated[str, typer.Option(help=", ".join(BACKBONES.usages()))] = "timm:vgg16",
    views: Annotated[int, typer.Option(help="augmented views of each training image", min=2)] = 8,
    recipe: Annotated[str, typer.Option(help="of the views: simclr, cibhash or moco")] = "simclr",
    weights: Annotated[str, typer.Option(help="pretrained, random, or for timm:NAME a file")] = "pretrained",
    size: Annotated[int, typer.Option(help="side of the images that the backbone sees")] = 224,
    batch: Annotated[int, typer.Option(help="images at a time", min=1)] = 64,
    dtype: Annotated[str, typer.Option(help="float16 or float32")] = "float16",
    plugin: Plugins = [],  # noqa: B006
) -> None:
    """Extract the features of images with a frozen backbone. Stopped, the same command goes on where it was."""
    plugins.load(plugin)
    settings = {"backbone": backbone, "views": recipe, "weights": weights, "size": size}
    image = make_config({"image": settings}).image
    if dtype not in ("float16", "float32"):
        raise UserError(f"--dtype must be float16 or float32, got {dtype!r}")
    data = load_dataset(dataset)
    if not isinstance(data, Images):
        raise UserError(f"{dataset} holds no images: features are extracted from images")
    if out.exists():
        # A kill between the last two steps leaves the finished file and the folder that it was made in.
        if not partial_of(out).exists():
            raise UserError(f"{out} is there already: remove it, or choose another place")
        shutil.rmtree(partial_of(out))
        print(f"features: {out}")
        return
    with progress_bar("images") as progress:
        task = progress.add_task("features", total=None)
        kind = np.float16 if dtype == "float16" else np.float32
        facts = extract(data, image, out, views, batch, kind, partial(progress.update, task))
    print(f"features: {out}")
    print(f"fingerprint: {facts['fingerprint']}")


def _print_labels(data: Dataset) -> None:
    print(f"labels: {data.labels_in_words()}")


def _print_metrics(metrics: dict[str, float]) -> None:
    for name, value in metrics.items():
        print(f"{name}: {value:.6f}")


def main() -> None:
    """Entry point of nsh and of python -m nsh_core."""
    cli.run(app)


if __name__ == "__main__":
    main()
