"""What happens when a run ends: a command of the user's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def on_finish(command: str, key: str, status: str, headline: str, folder: Path) -> None:
    """Runs a shell command with NSH_STUDY, NSH_STATUS, NSH_HEADLINE and NSH_RESULTS set; its failure is told, no more.

    Args:
        command: As given.
        key: Of the study.
        status: complete, incomplete, interrupted or error.
        headline: Of the verdict.
        folder: Of the results.
    """
    facts = {"NSH_STUDY": key, "NSH_STATUS": status, "NSH_HEADLINE": headline, "NSH_RESULTS": str(folder)}
    code = subprocess.run(command, shell=True, env=os.environ | facts, check=False).returncode
    if code != 0:
        print(f"warning: --on-finish {command!r} ended with exit code {code}", file=sys.stderr)
