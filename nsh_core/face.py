"""Faces of packages whose names are imported when they are first asked for; which ones, stands in __init__.pyi."""

from __future__ import annotations

import ast
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any


def lazy(package: str, file: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """What a package's __init__ takes as its __getattr__, __dir__ and __all__.

    torch alone takes seconds, which whoever reads specs, lists studies or asks for help need not wait for.

    Args:
        package: Its __name__.
        file: Its __file__; the stub lies beside it. A name there is none of a module in the package.
    """
    homes = {
        alias.asname or alias.name: (statement.module, alias.name)
        for statement in ast.parse(Path(file).with_suffix(".pyi").read_text(encoding="utf-8")).body
        if isinstance(statement, ast.ImportFrom) and statement.module
        for alias in statement.names
    }

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, own = homes[name]
        return getattr(import_module(module), own)

    def names() -> list[str]:
        return sorted({*vars(import_module(package)), *homes})

    return get, names, list(homes)
