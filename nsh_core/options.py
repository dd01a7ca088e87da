"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

AnyScale = Annotated[
    bool, typer.Option("--any-scale", help="also items that are of another scale than those it was trained on")
]
ModelFolder = Annotated[Path, typer.Option("--model", help="folder of a trained hasher")]
Plugins = Annotated[list[str], typer.Option("--plugin", help="a file or module that registers sorters, methods, ...")]
Bits = Annotated[
    int | None, typer.Option(help="of a model with loss.nested the shorter codes of so many bits", min=1, max=4096)
]
