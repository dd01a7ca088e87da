"""One training run of unsupervised deep hashing with differentiable sorting (NSH, Yu et al., IJCAI 2022).

What is here, and where it comes from, stands in __init__.pyi. It is imported when it is first asked for: torch alone
takes seconds, which whoever reads specs or configurations need not wait for.
"""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path
from typing import Any

_HOMES = {
    alias.asname or alias.name: (statement.module, alias.name)
    for statement in ast.parse(Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8")).body
    if isinstance(statement, ast.ImportFrom) and statement.module
    for alias in statement.names
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    """A name of the public face."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, own = _HOMES[name]
    return getattr(import_module(module), own)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
