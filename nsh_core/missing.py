"""What a command line says of a package that is missing."""

from __future__ import annotations

import sys
from typing import NoReturn


def missing(error: ModuleNotFoundError) -> NoReturn:
    """Names the package and what mends it, and ends with exit code 2.

    Args:
        error: As the import raised it.
    """
    package = (error.name or "?").partition(".")[0]
    print(f"error: the package {package!r} is missing: run `make env`, then use .venv/bin/python", file=sys.stderr)
    sys.exit(2)
