"""Packages that may be missing: what keeps one from being imported, and the command that mends it."""

from __future__ import annotations

import importlib
from typing import Any

from nsh_core.errors import UserError

_BUILT_FOR_TORCH = ("torchsort", "torchvision")


def need(package: str, whom: str) -> Any:
    """Imports an optional package.

    Args:
        package: Its name.
        whom: What needs it, as the message begins: "this backbone".

    Returns:
        The package.

    Raises:
        UserError: See lacking.
    """
    if line := lacking(package, whom):
        raise UserError(line)
    return importlib.import_module(package)


def lacking(package: str, whom: str) -> str:
    """What keeps an optional package from being imported, with the command that mends it.

    Args:
        package: Its name.
        whom: What needs it, as the line begins.

    Returns:
        A line; empty where it can be imported.
    """
    import torch

    try:
        importlib.import_module(package)
    except (ImportError, OSError, RuntimeError) as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else ""
        detail = " ".join(str(error).split())
        if missing == package:
            reason = "is not installed"
        elif package in _BUILT_FOR_TORCH and not missing:
            reason = f"was built for another torch than {torch.__version__} ({detail})"
        else:
            reason = f"cannot be imported ({detail})"
        command = _command(package, torch.__version__, missing == package)
        return f"{whom} needs the package {package}, which {reason}: {command}"
    return ""


def _command(package: str, torch_version: str, absent: bool) -> str:
    if package == "torchsort":
        again = "" if absent else "--force-reinstall --no-deps --no-cache-dir "
        return f"pip install --no-build-isolation {again}torchsort, or scripts/torchsort.sh (docs/install.md)"
    if package == "torchvision":
        release, _, build = torch_version.partition("+")
        index = f" --index-url https://download.pytorch.org/whl/{build}" if build else ""
        return f"{'' if absent else 'pip uninstall -y torchvision && '}pip install torch=={release} torchvision{index}"
    return f"pip install {package}"
