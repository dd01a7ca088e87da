"""A command that is given again after it ran all that it asks for."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from study.analysis.generation import RUN_FILE
from study.typed import recorded_command


def ran_all(results: Path) -> bool:
    """Whether tables say so of this very command: asked before anything slow is imported, it is a good guess.

    Args:
        results: Folder of tables.
    """
    command = recorded_command()
    for file in results.glob(f"*/{RUN_FILE}"):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            facts = json.loads(file.read_text(encoding="utf-8"))
            if (facts.get("command"), facts.get("left")) == (command, 0):
                return True
    return False
