"""What the commands of one run do: train, evaluate, features."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from rich.progress import TextColumn

from nsh_core.config import Config, make_config
from nsh_core.data import Dataset, Images, load_dataset
from nsh_core.distributed import processes, rank
from nsh_core.errors import UserError
from nsh_core.evaluation import evaluate as evaluate_hasher
from nsh_core.extraction import extract
from nsh_core.files import check_folder, partial_of
from nsh_core.hasher import FILE as HASHER_FILE
from nsh_core.hasher import Hasher
from nsh_core.measures import Evidence
from nsh_core.preparation import prepared
from nsh_core.progress import progress_bar
from nsh_core.settings import dotted, read_mapping
from nsh_core.shortened import shortened
from nsh_core.training import fit

_SHOWN = 3  # settings that differ


def train(
    dataset: str,
    config: Path | None,
    assignments: Sequence[str],
    seed: int | None,
    out: Path | None,
    checkpoints: Path | None,
) -> None:
    """Trains a hasher and prints its metrics.

    Args:
        dataset: Its name.
        config: File of settings.
        assignments: Settings that replace them, "a.b=c".
        seed: Of the run; none: that of the settings.
        out: Folder for the hasher; none: it is not kept.
        checkpoints: Folder for checkpoints; none: there are none.

    Raises:
        UserError: What does not fit, or a folder that holds another hasher.
    """
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


def evaluate(model: Path, dataset: str, bits: int | None, any_scale: bool) -> None:
    """Prints the metrics of a trained hasher on a data set.

    Args:
        model: Folder of the hasher.
        dataset: Its name.
        bits: Of the codes, fewer than the model's; none: all of them.
        any_scale: Whether items of another scale will do.

    Raises:
        UserError: What does not fit.
    """
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


def features(
    dataset: str,
    out: Path,
    settings: dict[str, object],
    views: int,
    batch: int,
    dtype: str,
) -> None:
    """Extracts the features of images.

    Args:
        dataset: Its name.
        out: A file ending in .npz, or a folder.
        settings: Section `image` of a config.
        views: Of each training image.
        batch: Images at a time.
        dtype: float16 or float32.

    Raises:
        UserError: What does not fit.
    """
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
