"""What happens when a run ends: a command of the user's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def on_finish(command: str, key: str, status: str, headline: str, folder: Path) -> None:
    """Runs a shell command at the end of a run; its failure is told, no more.

    Args:
        command: As the user gave it. NSH_STUDY, NSH_STATUS, NSH_HEADLINE and NSH_RESULTS are set for it.
        key: The study's name in storage and folders.
        status: complete, incomplete, interrupted or error.
        headline: The answer in a line; empty for none.
        folder: Of the results.
    """
    facts = {"NSH_STUDY": key, "NSH_STATUS": status, "NSH_HEADLINE": headline, "NSH_RESULTS": str(folder)}
    code = subprocess.run(command, shell=True, env=os.environ | facts, check=False).returncode
    if code != 0:
        print(f"warning: --on-finish {command!r} ended with exit code {code}", file=sys.stderr)
