"""One run from the command line: nsh, or python -m nsh_core, train|evaluate|encode|index|search|features."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from nsh_core.missing import missing

try:
    import typer

    from nsh_core import cli, plugins
    from nsh_core.data import usage
    from nsh_core.registry import BACKBONES
except ModuleNotFoundError as error:
    missing(error)

# What commands do is imported by them alone: with torch it takes seconds, which --help has no use for.

app = typer.Typer(help=__doc__, add_completion=False, no_args_is_help=True)

_ITEMS = "an image, a folder of images, a list of them in a .txt file, FILE.npy or FILE.npz:ARRAY"
_Dataset = Annotated[str, typer.Option(help=usage())]
_Set = Annotated[list[str], typer.Option("--set", help="override a setting: loss.num_positives=5")]
_AnyScale = Annotated[
    bool, typer.Option("--any-scale", help="also items that are of another scale than those it was trained on")
]
_Model = Annotated[Path, typer.Option("--model", help="folder of a trained hasher")]
_Plugins = Annotated[list[str], typer.Option("--plugin", help="a file or module that registers sorters, methods, ...")]
_Bits = Annotated[
    int | None, typer.Option(help="of a model with loss.nested the shorter codes of so many bits", min=1, max=4096)
]


@app.command()
def encode(
    model: _Model,
    items: Annotated[str, typer.Option("--input", help=_ITEMS)],
    out: Annotated[Path, typer.Option(help=".npy of packed codes, uint8 [N, ceil(K / 8)]")],
    bits: _Bits = None,
    any_scale: _AnyScale = False,
    plugin: _Plugins = [],  # noqa: B006
) -> None:
    """Encode items into packed codes. Stopped, the same command goes on where it was."""
    from nsh_core.search import commands

    plugins.load(plugin)
    commands.encode(model, items, out, bits, any_scale)


@app.command()
def index(
    model: _Model,
    database: Annotated[str, typer.Option(help=f"{_ITEMS}; items, or codes that encode wrote")],
    out: Annotated[Path, typer.Option(help="folder of the index")],
    kind: Annotated[str, typer.Option(help="flat, multihash or hnsw; auto: by how many codes there are")] = "auto",
    any_scale: _AnyScale = False,
    plugin: _Plugins = [],  # noqa: B006
) -> None:
    """Make a folder of items that `search` searches; it holds the hasher too. Stopped, the same command goes on."""
    from nsh_core.search import commands

    plugins.load(plugin)
    commands.index(model, database, out, kind, any_scale)


@app.command()
def search(
    index: Annotated[Path, typer.Option(help="folder of an index")],
    query: Annotated[str, typer.Option(help=f"{_ITEMS}; items, or codes that encode wrote")],
    top: Annotated[int, typer.Option(parser=cli.at_least_one, help="hits of each query")] = "10",  # type: ignore[assignment]
    sheet: Annotated[Path | None, typer.Option(help="a contact sheet of queries and hits, .html or .png")] = None,
    any_scale: _AnyScale = False,
    plugin: _Plugins = [],  # noqa: B006
) -> None:
    """Search an index: rank, Hamming distance and name of each hit; equal distances in the order of the database."""
    from nsh_core.search import commands

    plugins.load(plugin)
    commands.search(index, query, top, sheet, any_scale)


@app.command()
def train(
    dataset: _Dataset = "digits",
    config: Annotated[Path | None, typer.Option(help="YAML or JSON file of settings")] = None,
    assignments: _Set = [],  # noqa: B006
    plugin: _Plugins = [],  # noqa: B006
    seed: Annotated[int | None, typer.Option(help="seed of the run")] = None,
    out: Annotated[Path | None, typer.Option(help="folder for the trained hasher")] = None,
    checkpoints: Annotated[
        Path | None, typer.Option(help="folder for checkpoints; a stopped run goes on from there")
    ] = None,
) -> None:
    """Train one hasher; its metrics come last, a `name: value` a line. Under torchrun several GPUs share each batch.

    A folder that holds a hasher of another config or data set is refused.
    """
    from nsh_core import commands

    plugins.load(plugin)
    commands.train(dataset, config, assignments, seed, out, checkpoints)


@app.command()
def evaluate(
    model: _Model,
    dataset: _Dataset = "digits",
    bits: _Bits = None,
    any_scale: _AnyScale = False,
    plugin: _Plugins = [],  # noqa: B006
) -> None:
    """Evaluate a trained hasher on a data set."""
    from nsh_core import commands

    plugins.load(plugin)
    commands.evaluate(model, dataset, bits, any_scale)


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
    plugin: _Plugins = [],  # noqa: B006
) -> None:
    """Extract the features of images with a frozen backbone. Stopped, the same command goes on where it was."""
    from nsh_core import commands

    plugins.load(plugin)
    settings: dict[str, object] = {"backbone": backbone, "views": recipe, "weights": weights, "size": size}
    commands.features(dataset, out, settings, views, batch, dtype)


def main() -> None:
    """Entry point of nsh and of python -m nsh_core."""
    cli.run(app)


if __name__ == "__main__":
    main()
